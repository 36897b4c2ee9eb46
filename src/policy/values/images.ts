// The values of keys about whose images may run. Pure.

import { wholeImageName } from '../../lib/text/image-name.ts';
import { globTest, isGlob } from '../glob.ts';
import { type Check, text } from './basic.ts';

interface TrustedEntry {
  readonly glob: string;
  /** Names of files. */
  readonly keys: readonly string[];
}

/** "GLOB=KEY,KEY GLOB=KEY", or none. */
export const trustedImages = text<readonly TrustedEntry[]>((input) => {
  if (input === 'none') return { ok: true, value: [] };
  const entries: TrustedEntry[] = [];
  for (const word of input.split(/\s+/).filter((one) => one !== '')) {
    const entry = entryOf(word);
    if (!entry.ok) return entry;
    entries.push(entry.value);
  }
  return entries.length === 0 ? { ok: false, problem: 'is no list, or none' } : { ok: true, value: entries };
});

function entryOf(word: string): Check<TrustedEntry> {
  const at = word.indexOf('=');
  const [glob, keys] = [word.slice(0, at), word.slice(at + 1).split(',')];
  if (at < 1) return { ok: false, problem: `has "${word}", which is not GLOB=KEY` };
  const isName = isGlob(glob) ? !('problem' in globTest(glob)) : wholeImageName(glob) !== undefined;
  if (!isName || glob === 'host')
    return { ok: false, problem: `has "${glob}", which is no image's name and no glob` };
  const wrong = keys.find((key) => !/^[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}$/.test(key));
  if (wrong !== undefined)
    return { ok: false, problem: `has "${wrong}", which is no name of a file in the folder "keys"` };
  return { ok: true, value: { glob, keys } };
}

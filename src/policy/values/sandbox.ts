// The kinds of value that keys about sandboxes and lists of names have. Pure.

import { nearest } from '../../lib/text/nearest.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import { globTest, isGlob } from '../glob.ts';
import { type Check, text } from './basic.ts';

const labels =
  /^(?=.{1,64}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

export const hostName = text<string>((input) =>
  labels.test(input)
    ? { ok: true, value: input }
    : { ok: false, problem: 'is not a host name: letters, digits, dashes and dots, at most 64' },
);

export interface Mount {
  readonly source: AbsolutePath;
  readonly target: AbsolutePath;
  readonly writable: boolean;
}

const mostMounts = 32;
const isWholePath = (input: string): input is AbsolutePath =>
  input.length < 4096 && /^(?:\/[^/\s:,\0]+)+$/.test(input) && !/\/\.{1,2}(?:\/|$)/.test(input);
/** What the sandbox itself keeps there must stay. */
const taken = /^\/(?:proc|sys|dev|run)(?:\/|$)|^\/(?:etc|usr|bin|sbin|lib|lib64|tmp|home)$/;

/** The host's own view of itself. */
const unshown = /^\/(?:proc|sys|dev)(?:\/|$)/;

/** A folder of the host; "none" is null. */
export const hostFolderOrNone = text<AbsolutePath | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  if (!isWholePath(input))
    return { ok: false, problem: 'is not an absolute path without "." and "..", or none' };
  if (unshown.test(input)) return { ok: false, problem: `is ${input}, where nothing can be kept` };
  return { ok: true, value: input };
});

function mountOf(item: string): Check<Mount> {
  const [source = '', target = '', mode = 'ro', ...more] = item.split(':');
  if (!isWholePath(source) || !isWholePath(target))
    return { ok: false, problem: `has "${item}", which is not SOURCE:TARGET:ro with two absolute paths` };
  if (more.length > 0 || (mode !== 'ro' && mode !== 'rw'))
    return { ok: false, problem: `has "${item}", which ends neither in :ro nor in :rw` };
  if (unshown.test(source)) return { ok: false, problem: `has "${item}": nothing of ${source} can be shown` };
  if (taken.test(target)) return { ok: false, problem: `has "${item}": nothing can be mounted at ${target}` };
  return { ok: true, value: { source, target, writable: mode === 'rw' } };
}

/** Extra mounts with blanks or commas between; "none" for an empty list. */
export const mountList = text<readonly Mount[]>((input) => {
  if (input === 'none') return { ok: true, value: [] };
  const mounts: Mount[] = [];
  for (const item of wordsOf(input)) {
    const mount = mountOf(item);
    if (!mount.ok) return mount;
    if (mounts.some(({ target }) => target === mount.value.target))
      return { ok: false, problem: `mounts two things at ${mount.value.target}` };
    mounts.push(mount.value);
  }
  if (mounts.length === 0) return { ok: false, problem: 'is not a list of SOURCE:TARGET, or none' };
  if (mounts.length > mostMounts) return { ok: false, problem: `has more than ${mostMounts} mounts` };
  return { ok: true, value: mounts };
});

function wordsOf(input: string): string[] {
  return input.split(/[\s,]+/).filter((word) => word !== '');
}

/** Some of these words; "none" for none of them. */
export const wordList = (words: readonly string[]) =>
  text<readonly string[]>((input) => {
    const found = input === 'none' ? [] : wordsOf(input);
    for (const word of found) {
      if (words.includes(word)) continue;
      const guess = nearest(word, words);
      const hint = guess === undefined ? `: ${words.join(', ')}` : `; did you mean ${guess}?`;
      return { ok: false, problem: `has "${word}", which is none of those that can be given${hint}` };
    }
    if (found.length === 0 && input !== 'none') return { ok: false, problem: 'is no list, or none' };
    return { ok: true, value: [...new Set(found)] };
  });

/** Names of images and globs for them; "none" for no image. */
export const imageGlobs = text<readonly string[]>((input) => {
  const globs = input === 'none' ? [] : wordsOf(input);
  const wrong = globs.find((glob) => isGlob(glob) && 'problem' in globTest(glob));
  if (wrong !== undefined) return { ok: false, problem: `has "${wrong}", which is no glob` };
  if (globs.length === 0 && input !== 'none') return { ok: false, problem: 'is no list, or none' };
  return { ok: true, value: globs };
});

/** CPUs as the kernel lists them: "0-3,8"; "none" is null. */
export const cpuList = text<string | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  const ranges = input.split(',').map((range) => /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(range));
  const fine = ranges.every((range) => range !== null && Number(range[1]) <= Number(range[2] ?? range[1]));
  return fine
    ? { ok: true, value: input }
    : { ok: false, problem: 'is not a list of CPUs such as 0-3,8, or none' };
});

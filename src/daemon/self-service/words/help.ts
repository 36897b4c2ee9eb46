// @help: says what this user may do, and nothing that they may not.

import { formatDuration } from '../../../lib/text/units.ts';
import { type OwnWord, ownWords } from '../../../lib/values/own-words.ts';
import type { EffectivePolicy } from '../../../policy/policy.ts';
import { mayUse, type WordHandler } from '../asking.ts';

const meanings: Readonly<Record<OwnWord, readonly [form: string, meaning: string]>> = {
  help: ['@help', 'this text'],
  status: ['@status', 'your sandbox: image, limits with what you use of them, disk, network, sessions'],
  sessions: ['@sessions', 'your sessions'],
  attach: ['@attach [N] [peek]', 'back to a kept session (needs a terminal: ssh -t); peek: only to look'],
  detach: ['@detach [N]', 'let go of a session; it goes on'],
  snapshot: ['@snapshot [NAME]', 'keep a copy of the files of your sandbox'],
  rollback: [
    '@rollback [NAME]',
    'go back to a copy, the newest without a name; ends what runs in your sandbox',
  ],
  reset: ['@reset yes', "begin with the image's files again; a copy is kept, and your home stays"],
  images: ['@images', 'the images that you can choose, and your snapshots'],
  image: ['@image use NAME', 'start from this image the next time'],
  keep: ['@keep [DURATION]', 'for how long a session is kept when its connection ends'],
  publish: ['@publish [PORT …]', 'ports of this host that lead into your sandbox; none: no port'],
  undo: ['@undo', 'take back the last @rollback, @reset, @image or @publish'],
};

export const help: WordHandler = async ({ policy, user }) => {
  const may = ownWords.filter((word) => mayUse(policy, word) && isOfUse(word, policy));
  const rows = may.map((word) => meanings[word]);
  const width = Math.max(...rows.map(([form]) => form.length));
  const text = [
    `What you can ask for from outside: ssh ${user.name}@HOST WORD`,
    'Inside: dockersh WORD, without the @.',
    ...rows.map(([form, meaning]) => `  ${form.padEnd(width)}  ${meaning}`),
    'Each takes --json behind it. Anything else is a command that runs in your sandbox.',
    `Your sandbox stays for ${formatDuration(policy.lingerMs)} without a session.`,
  ].join('\n');
  return {
    json: { words: may.map((word) => ({ word, form: meanings[word][0], meaning: meanings[word][1] })) },
    text,
  };
};

/** Words that the policy allows, but gives nothing to. */
function isOfUse(word: OwnWord, { imagesAllowed, network }: EffectivePolicy): boolean {
  if (word === 'image') return imagesAllowed.length > 0;
  if (word === 'publish') return network.kind === 'private';
  return true;
}

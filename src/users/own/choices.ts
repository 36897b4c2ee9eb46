// Keeps what a user has chosen by self-service (@image, @publish), and how it is taken back (@undo).
//
//   <state>/users/<uid>/choices.json
//
// Nobody but the daemon writes it. Logins look at it each time, which is one stat(2) where there is none.

import * as z from 'zod';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { snapshotName } from '../layer/files.ts';
import { choicesFile, userFolder } from '../places.ts';
import { KeptFile } from './kept-file.ts';

/** Keys of the policy that can be chosen, by the word of the same name. */
export const chosenKeys = ['image', 'publish'] as const;
export type ChosenKey = (typeof chosenKeys)[number];

const chosen = z.strictObject({
  image: z.string().max(512).optional(),
  publish: z.string().max(4096).optional(),
});

/** How one act is taken back: to a snapshot, or to an earlier choice (null: none). */
const act = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('files'),
    word: z.enum(['reset', 'rollback']),
    snapshot: z.string().regex(snapshotName),
  }),
  z.strictObject({
    kind: z.literal('choice'),
    key: z.enum(chosenKeys),
    before: z.string().max(4096).nullable(),
  }),
]);
export type Act = z.infer<typeof act>;

/** The last ones, newest last. */
const mostActs = 20;

export const Choices = z.strictObject({ version: z.literal(1), chosen, acts: z.array(act).max(mostActs) });
type Choices = z.infer<typeof Choices>;

const nothing: Choices = { version: 1, chosen: {}, acts: [] };

export class OwnChoices {
  readonly #file: KeptFile<Choices>;

  constructor(state: AbsolutePath) {
    const place = (uid: Uid): AbsolutePath => choicesFile(userFolder(state, uid));
    // What a damaged file said was only ever a wish.
    this.#file = new KeptFile({ place, schema: Choices, nothing, isLasting: true });
  }

  /** Undefined: nothing has ever been chosen. */
  all(uid: Uid): Choices | undefined {
    const found = this.#file.read(uid);
    return found === nothing ? undefined : found;
  }

  chosen(uid: Uid): Choices['chosen'] {
    return this.#file.read(uid).chosen;
  }

  /** Lines of a file like the user's own; empty where nothing is chosen. */
  text(uid: Uid): string {
    const found = this.#file.read(uid).chosen;
    return chosenKeys
      .flatMap((key) => (found[key] === undefined ? [] : [`${key} = ${found[key]}\n`]))
      .join('');
  }

  /** `value`: null takes the choice away. The user's folder must be there. */
  async choose(uid: Uid, key: ChosenKey, value: string | null): Promise<void> {
    await this.#change(uid, ({ chosen: before, acts }) => ({
      chosen: withKey(before, key, value),
      acts: [...acts, { kind: 'choice', key, before: before[key] ?? null }],
    }));
  }

  /** Files of the user's can be had back from this snapshot. */
  async replaced(uid: Uid, word: 'reset' | 'rollback', snapshot: string): Promise<void> {
    await this.#change(uid, ({ chosen: same, acts }) => ({
      chosen: same,
      acts: [...acts, { kind: 'files', word, snapshot }],
    }));
  }

  last(uid: Uid): Act | undefined {
    return this.#file.read(uid).acts.at(-1);
  }

  /** Forgets the last act, and takes a choice back. */
  async takeBack(uid: Uid, last: Act): Promise<void> {
    await this.#change(uid, ({ chosen: now, acts }) => ({
      chosen: last.kind === 'choice' ? withKey(now, last.key, last.before) : now,
      acts: acts.slice(0, -1),
    }));
  }

  async #change(uid: Uid, to: (choices: Choices) => Omit<Choices, 'version'>): Promise<void> {
    await this.#file.change(uid, (before) => {
      const { chosen: now, acts } = to(before);
      return { version: 1, chosen: now, acts: acts.slice(-mostActs) };
    });
  }
}

function withKey(from: Choices['chosen'], key: ChosenKey, value: string | null): Choices['chosen'] {
  const { [key]: _, ...others } = from;
  return value === null ? others : { ...others, [key]: value };
}

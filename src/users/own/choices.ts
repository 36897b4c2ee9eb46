// Keeps what a user has chosen by self-service (@image, @publish), and how it is taken back (@undo).
//
//   <state>/users/<uid>/choices.json
//
// Nobody but the daemon writes it. Logins look at it each time, which is one stat(2) where there is none.

import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { Serial } from '../../lib/async/serial.ts';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { choicesFile, userFolder } from '../places.ts';

/** Keys of the policy that can be chosen, by the word of the same name. */
export const chosenKeys = ['image', 'publish'] as const;
export type ChosenKey = (typeof chosenKeys)[number];

const chosen = z.strictObject({ image: z.string().optional(), publish: z.string().optional() });

/** How one act is taken back: to a snapshot, or to an earlier choice (null: none). */
const act = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('files'), word: z.enum(['reset', 'rollback']), snapshot: z.string() }),
  z.strictObject({ kind: z.literal('choice'), key: z.enum(chosenKeys), before: z.string().nullable() }),
]);
export type Act = z.infer<typeof act>;

const Choices = z.strictObject({ version: z.literal(1), chosen, acts: z.array(act) });
type Choices = z.infer<typeof Choices>;

/** The last ones, newest last. */
const mostActs = 20;
const nothing: Choices = { version: 1, chosen: {}, acts: [] };

interface Known {
  readonly stamp: string;
  readonly choices: Choices;
}

export class OwnChoices {
  readonly #state: AbsolutePath;
  readonly #known = new Map<Uid, Known>();
  readonly #writes = new Serial();

  constructor(state: AbsolutePath) {
    this.#state = state;
  }

  /** A damaged file counts as none: what it said was only ever a wish. */
  #read(uid: Uid): Choices {
    const file = choicesFile(userFolder(this.#state, uid));
    const found = statSync(file, { throwIfNoEntry: false, bigint: true });
    if (found === undefined) return nothing;
    const stamp = `${found.ino}:${found.mtimeNs}:${found.size}`;
    const known = this.#known.get(uid);
    if (known?.stamp === stamp) return known.choices;
    const choices = parsed(readFileSync(file, 'utf8'));
    this.#known.set(uid, { stamp, choices });
    return choices;
  }

  chosen(uid: Uid): Choices['chosen'] {
    return this.#read(uid).chosen;
  }

  /** Lines of a file like the user's own; empty where nothing is chosen. */
  text(uid: Uid): string {
    const found = this.#read(uid).chosen;
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
    return this.#read(uid).acts.at(-1);
  }

  /** Forgets the last act, and takes a choice back. */
  async takeBack(uid: Uid, last: Act): Promise<void> {
    await this.#change(uid, ({ chosen: now, acts }) => ({
      chosen: last.kind === 'choice' ? withKey(now, last.key, last.before) : now,
      acts: acts.slice(0, -1),
    }));
  }

  async #change(uid: Uid, to: (choices: Choices) => Omit<Choices, 'version'>): Promise<void> {
    await this.#writes.take(async () => {
      const { chosen: now, acts } = to(this.#read(uid));
      const choices: Choices = { version: 1, chosen: now, acts: acts.slice(-mostActs) };
      await writeFileAtomic(choicesFile(userFolder(this.#state, uid)), `${JSON.stringify(choices)}\n`);
    });
  }
}

function parsed(text: string): Choices {
  try {
    return Choices.parse(JSON.parse(text));
  } catch {
    return nothing;
  }
}

function withKey(from: Choices['chosen'], key: ChosenKey, value: string | null): Choices['chosen'] {
  const { [key]: _, ...others } = from;
  return value === null ? others : { ...others, [key]: value };
}

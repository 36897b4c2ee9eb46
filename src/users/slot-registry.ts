// Gives every user a range of ids, for ever, and keeps in one file which: a user's files carry the range's ids.
//
//   <state>/ids.json

import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { firstRange, rangeSize } from '../isolation/ids.ts';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../lib/errors.ts';
import { type Uid, uidIn } from '../lib/values/uid.ts';

/** The last 65,536 ids hold 0xffffffff, which means "no id" to the kernel, so that range is left out. */
export const slotCount = 32_767;

export interface SubordinateRange {
  readonly start: number;
  readonly count: number;
}

/** The ranges of an /etc/subuid or /etc/subgid (subuid(5)); lines that are none are skipped. */
export function parseSubordinate(text: string): SubordinateRange[] {
  return text.split('\n').flatMap((line) => {
    const match = /^[^#:]+:(\d+):(\d+)$/.exec(line.trim());
    return match === null ? [] : [{ start: Number(match[1]), count: Number(match[2]) }];
  });
}

/** The first free slot from the one that the uid itself names. Undefined: all are taken. */
export function chooseSlot(
  uid: Uid,
  taken: ReadonlySet<number>,
  foreign: readonly SubordinateRange[],
): number | undefined {
  const overlaps = (slot: number): boolean => {
    const start = firstRange + slot * rangeSize;
    return foreign.some((range) => range.start < start + rangeSize && start < range.start + range.count);
  };
  for (let step = 0; step < slotCount; step += 1) {
    const slot = (uid + step) % slotCount;
    if (!taken.has(slot) && !overlaps(slot)) return slot;
  }
  return undefined;
}

const RegistryFile = z.strictObject({
  version: z.literal(1),
  slots: z
    .record(
      z.string().refine((key) => uidIn(key) !== undefined, 'is no uid'),
      z
        .int()
        .min(0)
        .max(slotCount - 1),
    )
    .refine(
      (slots) => new Set(Object.values(slots)).size === Object.keys(slots).length,
      'a slot is given twice',
    ),
});

/** Which uid has which slot, for ever: a user's files carry the range's ids. Kept in one file. */
export class SlotRegistry {
  readonly #file: string;
  readonly #slots: Map<Uid, number>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string, slots: Map<Uid, number>) {
    this.#file = file;
    this.#slots = slots;
  }

  static async open(file: string): Promise<SlotRegistry> {
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error; // the first start
      return new SlotRegistry(file, new Map());
    }
    const parsed = RegistryFile.safeParse(parseJson(text));
    if (!parsed.success) {
      throw new DockershError('E_INTERNAL', {
        what: `the register of id ranges ${file} can't be read`,
        why: parsed.error.message,
        hint: 'Restore it from a backup: without it users could get other ids than their files have.',
      });
    }
    const slots = new Map<Uid, number>();
    for (const [key, slot] of Object.entries(parsed.data.slots)) {
      const uid = uidIn(key);
      if (uid !== undefined) slots.set(uid, slot);
    }
    return new SlotRegistry(file, slots);
  }

  /** The user's slot; a new one is on disk before this resolves. Throws E_UID_RANGE where none is left. */
  async slotOf(uid: Uid): Promise<number> {
    const known = this.#slots.get(uid);
    if (known !== undefined) return known;
    const foreign = [...(await subordinate('/etc/subuid')), ...(await subordinate('/etc/subgid'))];
    return await this.#inTurn(() => this.#assign(uid, foreign));
  }

  has(uid: Uid): boolean {
    return this.#slots.has(uid);
  }

  /** Forgets a slot. Only where no file has one of its ids: it may be another user's next. */
  async release(uid: Uid): Promise<void> {
    await this.#inTurn(async () => {
      const slots = new Map(this.#slots);
      if (slots.delete(uid)) await this.#write(slots);
      this.#slots.delete(uid);
    });
  }

  /** One after the other, each with what the one before has written; a failure is that caller's alone. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const writing = this.#writing.then(work);
    this.#writing = writing.then(
      () => {},
      () => {},
    );
    return await writing;
  }

  async #write(slots: ReadonlyMap<Uid, number>): Promise<void> {
    const text = JSON.stringify({ version: 1, slots: Object.fromEntries(slots) });
    await writeFileAtomic(this.#file, `${text}\n`);
  }

  async #assign(uid: Uid, foreign: readonly SubordinateRange[]): Promise<number> {
    const known = this.#slots.get(uid);
    if (known !== undefined) return known;
    const slot = chooseSlot(uid, new Set(this.#slots.values()), foreign);
    if (slot === undefined) throw new DockershError('E_UID_RANGE', { why: 'every id range is taken' });
    await this.#write(new Map([...this.#slots, [uid, slot]]));
    this.#slots.set(uid, slot); // not before: a slot that is on no disk could be given to another user later
    return slot;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // reported as a file that can't be read
  }
}

async function subordinate(file: string): Promise<SubordinateRange[]> {
  try {
    return parseSubordinate(await readFile(file, 'utf8'));
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error; // a host without subordinate ids
    return [];
  }
}

// Keeps in one file what networks of sandboxes must not lose: which index each user has, the pools that were chosen,
// what was changed of the host, and which network a sandbox has where the policy does not say.

import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { type Cidr, formatCidr, parseCidr } from '../../lib/network/address.ts';
import type { Uid } from '../../lib/values/uid.ts';

const Block = z.string().transform((text, context): Cidr => {
  const block = parseCidr(text);
  if (block.ok) return block.value;
  context.addIssue(block.problem);
  return z.NEVER;
});

/** Most that a pool can have (a /8). */
const mostUsers = 1 << 24;

const StateFile = z.strictObject({
  version: z.literal(1),
  /** `private` on a new installation; `none` where there was one before there were private networks. */
  default: z.enum(['private', 'none']),
  pool4: Block.nullable(),
  pool6: Block.nullable(),
  /** Indexes by uid. */
  users: z
    .record(z.string().regex(/^\d+$/), z.int().min(0).max(mostUsers))
    .refine(
      (users) => new Set(Object.values(users)).size === Object.keys(users).length,
      'an index is given twice',
    ),
  /** Files below /proc/sys: what was in them, and what we have written. Of this boot alone. */
  changed: z.strictObject({
    boot: z.string(),
    files: z.record(z.string(), z.strictObject({ before: z.string(), ours: z.string() })),
  }),
});
type StateFile = z.output<typeof StateFile>;

export type ChangedFiles = StateFile['changed'];
export type DefaultNetwork = StateFile['default'];

export class NetworkState {
  readonly #file: string;
  #state: StateFile;
  #taken: Set<number>;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(file: string, state: StateFile) {
    this.#file = file;
    this.#state = state;
    this.#taken = new Set(Object.values(state.users));
  }

  /** `isOlder`: there was an installation before this file. Whatever is settled by that is on the disk when this resolves. */
  static async open(file: string, isOlder: () => Promise<boolean>): Promise<NetworkState> {
    const known = await readState(file);
    if (known !== undefined) return new NetworkState(file, known);
    const state = new NetworkState(file, {
      version: 1,
      default: (await isOlder()) ? 'none' : 'private',
      pool4: null,
      pool6: null,
      users: {},
      changed: { boot: '', files: {} },
    });
    await state.#change({});
    return state;
  }

  get defaultNetwork(): DefaultNetwork {
    return this.#state.default;
  }

  /** Those that were chosen; null: none yet. */
  get pools(): { readonly pool4: Cidr | null; readonly pool6: Cidr | null } {
    return this.#state;
  }

  async keepPools(pools: { readonly pool4?: Cidr; readonly pool6?: Cidr }): Promise<void> {
    await this.#inTurn(async () => await this.#change(pools));
  }

  get changed(): ChangedFiles {
    return this.#state.changed;
  }

  async keepChanged(changed: ChangedFiles): Promise<void> {
    await this.#inTurn(async () => await this.#change({ changed }));
  }

  /** The user's index; a new one is on disk before this resolves. */
  async indexOf(uid: Uid): Promise<number> {
    return this.knownIndexOf(uid) ?? (await this.#inTurn(async () => await this.#assign(uid)));
  }

  knownIndexOf(uid: Uid): number | undefined {
    return this.#state.users[uid];
  }

  /** Another user may have it next. */
  async release(uid: Uid): Promise<void> {
    await this.#inTurn(async () => {
      const { [uid]: index, ...users } = this.#state.users;
      if (index !== undefined) await this.#change({ users });
    });
  }

  async #assign(uid: Uid): Promise<number> {
    const known = this.knownIndexOf(uid);
    if (known !== undefined) return known;
    let index = 0;
    while (this.#taken.has(index)) index += 1;
    await this.#change({ users: { ...this.#state.users, [uid]: index } });
    return index;
  }

  /** One after the other; a failure is that caller's alone. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const writing = this.#writing.then(work);
    this.#writing = writing.catch(() => {});
    return await writing;
  }

  /** Nothing counts before it is on the disk. */
  async #change(change: Partial<StateFile>): Promise<void> {
    const state = { ...this.#state, ...change };
    const { pool4, pool6 } = state;
    const written = {
      ...state,
      pool4: pool4 && formatCidr(pool4),
      pool6: pool6 && formatCidr(pool6),
    };
    await writeFileAtomic(this.#file, `${JSON.stringify(written)}\n`);
    this.#state = state;
    this.#taken = new Set(Object.values(state.users));
  }
}

async function readState(file: string): Promise<StateFile | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error; // the first start
    return undefined;
  }
  const parsed = StateFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new DockershError('E_INTERNAL', {
    what: `the register of networks ${file} can't be read`,
    why: parsed.error.message,
    hint: 'Restore it from a backup: without it users would get other addresses.',
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // reported as a file that can't be read
  }
}

// Keeps with every user's folder in the state whose it is, by the account's name beside its uid: a uid may be somebody
// else's one day (userdel, useradd), who must find nothing of it.
//
//   <state>/users/<uid>/owner.json
//
// Runs as root in folders that only root can enter. Nobody else writes these files, so they are read at the daemon's
// start, and once more before somebody is refused.

import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import type { UserRecord } from '../isolation/engine.ts';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { shellOperand } from '../lib/text/shell-word.ts';
import type { AbsolutePath } from '../lib/values/absolute-path.ts';
import { Uid } from '../lib/values/uid.ts';
import { uidsBelow } from './folders.ts';
import { identityFolder, ownerFile, userFolder } from './places.ts';

export type Account = Pick<UserRecord, 'uid' | 'name'>;

const OwnerFile = z.strictObject({
  version: z.literal(1),
  uid: Uid,
  name: z.string().min(1),
});

/** Stands for what a damaged file said; no account is called that. */
const damaged = '?';

export class FolderOwners {
  readonly #state: AbsolutePath;
  readonly #names = new Map<Uid, string>();

  private constructor(state: AbsolutePath) {
    this.#state = state;
  }

  /** A folder of an earlier version gets the account that has last started a sandbox from it. */
  static async open(state: AbsolutePath, log: Logger): Promise<FolderOwners> {
    const owners = new FolderOwners(state);
    for (const uid of await uidsBelow(state)) {
      await owners.#read(uid);
      const name = owners.#names.has(uid) ? undefined : await nameInIdentity(userFolder(state, uid), uid);
      if (name === undefined) continue;
      await owners.give(uid, name);
      log.info({ uid, user: name }, "a user's folder is the account's that used it last");
    }
    return owners;
  }

  /** Whose the folder is; undefined where there is none, or nobody's yet. */
  nameOf(uid: Uid): string | undefined {
    return this.#names.get(uid);
  }

  /** Uids of the folders that belong to an account of this name. */
  uidsOf(name: string): Uid[] {
    return [...this.#names].flatMap(([uid, owner]) => (owner === name ? [uid] : []));
  }

  /** Whether there is nothing of another account's under this uid. */
  isOwn({ uid, name }: Account): boolean {
    const owner = this.#names.get(uid);
    return owner === undefined || owner === name;
  }

  /** Throws E_OWNER. */
  async require(account: Account): Promise<void> {
    if (this.isOwn(account)) return;
    await this.#read(account.uid); // an administrator may have put it right
    if (!this.isOwn(account)) throw this.#notTheirs(account);
  }

  /** Makes the folder where there is none, for this account. Throws E_OWNER. */
  async claim(account: Account): Promise<void> {
    await this.require(account);
    if (!this.#names.has(account.uid)) await this.give(account.uid, account.name);
  }

  /** The folder is this account's from now on. */
  async give(uid: Uid, name: string): Promise<void> {
    const folder = userFolder(this.#state, uid);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeOwner(folder, { uid, name });
    this.given(uid, name);
  }

  /** A folder that says so has come into the place of the one that was there. */
  given(uid: Uid, name: string): void {
    this.#names.set(uid, name);
  }

  /** The folder is gone. */
  removed(uid: Uid): void {
    this.#names.delete(uid);
  }

  async #read(uid: Uid): Promise<void> {
    const name = await nameIn(ownerFile(userFolder(this.#state, uid)), uid);
    if (name === undefined) this.#names.delete(uid);
    else this.#names.set(uid, name);
  }

  #notTheirs({ uid, name }: Account): DockershError {
    const owner = this.#names.get(uid) ?? damaged;
    if (owner === damaged) {
      return new DockershError('E_OWNER', {
        what: `nobody can tell whose the folder of uid ${uid} is`,
        why: `${ownerFile(userFolder(this.#state, uid))} is damaged`,
        hint: `If it is ${name}'s, remove that file; if not, remove what is kept: dockershctl user forget ${uid}`,
      });
    }
    return otherOwner(uid, owner, name);
  }
}

/** Into a folder that is to be the account's. */
export async function writeOwner(folder: AbsolutePath, { uid, name }: Account): Promise<void> {
  const owner: z.infer<typeof OwnerFile> = { version: 1, uid, name };
  await writeFileAtomic(ownerFile(folder), `${JSON.stringify(owner)}\n`);
}

/** What is refused to an account that has the uid of another one. */
function otherOwner(uid: Uid, owner: string, name: string): DockershError {
  const words = [owner, name].map(shellOperand).join(' ');
  return new DockershError('E_OWNER', {
    what: `what is kept under uid ${uid} belongs to the account ${owner}, not to ${name}`,
    hint: `If ${owner} is gone for good: dockershctl user forget ${uid}. If ${owner} is called ${name} by now: dockershctl user rename ${words}.`,
  });
}

async function nameIn(file: string, uid: Uid): Promise<string | undefined> {
  try {
    const owner = OwnerFile.safeParse(JSON.parse(await readFile(file, 'utf8')));
    return owner.success && owner.data.uid === uid ? owner.data.name : damaged;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    if (error instanceof SyntaxError) return damaged;
    throw error;
  }
}

/** The identity layer is made for the user, whose line is the last of its passwd file (src/users/identity-layer.ts). */
async function nameInIdentity(folder: AbsolutePath, uid: Uid): Promise<string | undefined> {
  const identity = identityFolder(folder);
  try {
    for (const layer of await readdir(identity)) {
      const text = await readFile(path.join(identity, layer, 'etc/passwd'), 'utf8');
      const [name = '', , id] = text.trimEnd().split('\n').at(-1)?.split(':') ?? [];
      if (name !== '' && Number(id) === uid) return name;
    }
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error; // no sandbox has been started from it
  }
  return undefined;
}

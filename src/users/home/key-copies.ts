// Keeps copies of the keys that users have inside, in ~/.ssh/authorized_keys, where dockersh-keys reads them for sshd
// (native/keys/main.c). sshd asks for any stranger, so its question must start and mount nothing: it is answered from here.
//
//   <state>-keys/<uid>     "dockersh-keys 1 UID NAME", then what the user's file has
//
// The package makes the folder, root's and with the group of dockersh-keys' user, and set-group-ID, so that files in it have
// that group too. What is copied was read with the user's rights, as data (native/addon/files/own_file.c): never
// through a link, regular and the user's own, and nobody else's to change, as sshd itself demands.

import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { UserRecord } from '../../isolation/engine.ts';
import { isAtomicTemporary, writeFileAtomic } from '../../lib/atomic-file.ts';
import { hasErrno } from '../../lib/errors.ts';
import { exists } from '../../lib/if-there.ts';
import { checkTrustedPath } from '../../lib/trusted-path.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import { type Uid, uidIn } from '../../lib/values/uid.ts';
import { keysFolder } from '../places.ts';
import type { UserStore } from '../store.ts';
import { OwnFiles } from './own-file.ts';

const keysFile = '.ssh/authorized_keys';
/** MOST_BYTES of native/keys/main.c, less the first line. */
const mostBytes = 64 * 1024;

export class KeyCopies {
  readonly #folder: string;
  readonly #store: UserStore;
  readonly #files: OwnFiles;

  private constructor(folder: string, store: UserStore) {
    this.#folder = folder;
    this.#store = store;
    this.#files = new OwnFiles((uid) => store.disks.open(uid));
  }

  /** Undefined where there is no folder for them, or it is not root's alone. */
  static async open(state: AbsolutePath, store: UserStore): Promise<KeyCopies | undefined> {
    const folder = keysFolder(state);
    if (!(await checkTrustedPath(folder)).ok) return undefined;
    for (const name of await readdir(folder))
      if (isAtomicTemporary(name)) await rm(path.join(folder, name), { force: true });
    return new KeyCopies(folder, store);
  }

  /** Whose there are. */
  async uids(): Promise<Uid[]> {
    return (await readdir(this.#folder)).flatMap((name) => uidIn(name) ?? []);
  }

  async has(uid: Uid): Promise<boolean> {
    return await exists(this.#file(uid));
  }

  /**
   * Takes over what the user has now; nobody else is at the user's data meanwhile. Resolves to why there are no keys where
   * there is a file.
   */
  async refresh(user: UserRecord, home: 'private' | 'host'): Promise<string | undefined> {
    using _held = await this.#store.locks.lock(user.uid);
    // Never of a folder that is another account's, or nobody's by now.
    if (this.#store.owners.nameOf(user.uid) !== user.name) {
      await this.remove(user.uid);
      return undefined;
    }
    const read = await this.#files.readBytes(user, keysFile, { home, mostBytes, strict: true });
    if (read !== undefined && 'data' in read) {
      await this.#put(user, read.data);
      return undefined;
    }
    if (read?.late === true) return undefined; // what there is stays
    await this.remove(user.uid);
    return read?.problem;
  }

  async remove(uid: Uid): Promise<void> {
    await rm(this.#file(uid), { force: true });
  }

  #file(uid: Uid): string {
    return path.join(this.#folder, String(uid));
  }

  async #put({ uid, name }: UserRecord, keys: Buffer): Promise<void> {
    const copy = Buffer.concat([Buffer.from(`dockersh-keys 1 ${uid} ${name}\n`), keys]);
    const file = this.#file(uid);
    try {
      if (copy.equals(await readFile(file))) return;
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
    }
    await writeFileAtomic(file, copy, 0o640);
  }
}

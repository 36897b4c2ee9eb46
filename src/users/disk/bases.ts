// Lists the images that users' layers and snapshots are made on, so that garbage collection keeps them even while a
// user's disk is not open. Where that disk is a disk image, the digests are written beside it as well, always before
// they are on the disk: the list may name too many, and never too few.

import { rm } from 'node:fs/promises';
import * as z from 'zod';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { uidsBelow } from '../folders.ts';
import { readJson } from '../layer/files.ts';
import { basesIn } from '../layer/snapshots.ts';
import { diskBasesFile, userFolder } from '../places.ts';
import type { UserDisks } from './user-disks.ts';

const list = z.strictObject({ digests: z.array(z.string()) });

export class DiskBases {
  readonly #state: AbsolutePath;
  readonly #disks: UserDisks;

  constructor(state: AbsolutePath, disks: UserDisks) {
    this.#state = state;
    this.#disks = disks;
  }

  #file(uid: Uid): string {
    return diskBasesFile(userFolder(this.#state, uid));
  }

  /** Every user's. */
  async all(): Promise<Set<string>> {
    const found = new Set<string>();
    for (const uid of await uidsBelow(this.#state))
      for (const digest of await this.#of(uid)) found.add(digest);
    return found;
  }

  async #of(uid: Uid): Promise<readonly string[]> {
    if (!this.#disks.hasImage(uid)) {
      await using disk = await this.#disks.open(uid);
      return [...(await basesIn(disk.folder))];
    }
    const known = await readJson(this.#file(uid), list);
    return known?.digests ?? (await this.refresh(uid));
  }

  /** A layer is about to be made on it. */
  async add(uid: Uid, digest: string): Promise<void> {
    if (!this.#disks.hasImage(uid)) return;
    const known = (await readJson(this.#file(uid), list))?.digests ?? (await this.refresh(uid));
    if (!known.includes(digest)) await this.#write(uid, [...known, digest]);
  }

  /** Forgets what is on the disk no more. Call while nothing on it changes. */
  async refresh(uid: Uid): Promise<readonly string[]> {
    if (!this.#disks.hasImage(uid)) {
      await rm(this.#file(uid), { force: true });
      return [];
    }
    await using disk = await this.#disks.open(uid);
    return await this.refreshIn(uid, disk.folder);
  }

  /** The same, where the disk is an image and open. */
  async refreshIn(uid: Uid, folder: string): Promise<readonly string[]> {
    const digests = [...(await basesIn(folder))].sort();
    const known = await readJson(this.#file(uid), list);
    if (known === undefined || known.digests.join() !== digests.join()) await this.#write(uid, digests);
    return digests;
  }

  async #write(uid: Uid, digests: readonly string[]): Promise<void> {
    await writeFileAtomic(this.#file(uid), `${JSON.stringify({ digests })}\n`);
  }
}

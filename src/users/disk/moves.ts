// Moves what a user keeps on the disk from a folder into a disk image, from one disk image into another, and back.
// All of them copy, and are whole after a crash at any instant: disk.img comes and goes by rename.
//
//   <state>/users/<uid>/disk.img.new   an image that is not whole yet
//   <state>/users/<uid>/disk.new       a folder that is not whole yet
//   <state>/users/<uid>/disk.out       one that is: it takes the image's place

import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { syncFolder } from '../../lib/atomic-file.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { diskParts, halfDisk, userFolder, wholeDisk } from '../places.ts';
import { type DiskImageSize, emptyDiskImage, MountedDiskImage, makeDiskImage } from './disk-image.ts';
import { sizeToHold } from './disk-image-size.ts';
import type { OpenDiskImages } from './open-disk-images.ts';

export interface DiskMovesOptions {
  readonly state: AbsolutePath;
  readonly log: Logger;
  /** Copies a folder with everything in it, so that it is on the disk afterwards. Throws E_DISK_FULL. */
  readonly copy: (from: string, to: string) => Promise<void>;
  readonly remove: (folder: string) => Promise<void>;
  /** Of a folder with everything in it. */
  readonly measure: (folder: string) => Promise<{ readonly bytes: number; readonly entries: number }>;
}

/** Call while there is no sandbox and nobody else at the user's disk. */
export class DiskMoves {
  readonly #options: DiskMovesOptions;
  readonly #images: OpenDiskImages;

  constructor(options: DiskMovesOptions, images: OpenDiskImages) {
    this.#options = options;
    this.#images = images;
  }

  #folderOf(uid: Uid): AbsolutePath {
    return userFolder(this.#options.state, uid);
  }

  #halfImageOf(uid: Uid): string {
    return `${this.#images.fileOf(uid)}.new`;
  }

  /** Moves what lies in the user's folder into a disk image. Throws E_DISK_FULL, E_LIMIT_REFUSED. */
  async toImage(uid: Uid, wanted: DiskImageSize): Promise<void> {
    await this.#fillImage(uid, this.#folderOf(uid), wanted);
  }

  /** Moves what lies in `source`, the disk image that there is, into another. `source` stays as it is if that fails. */
  async toOtherImage(uid: Uid, source: string, wanted: DiskImageSize): Promise<void> {
    await this.#orAsItIs(uid, async () => await this.#fillImage(uid, source, wanted));
  }

  /** Moves what is in the disk image into the user's folder. The disk image stays as it is if that fails. */
  async toFolder(uid: Uid): Promise<void> {
    await this.#orAsItIs(uid, async () => await this.#emptyIntoFolder(uid));
  }

  /** A disk with an outdated limit is better than no login. */
  async #orAsItIs(uid: Uid, move: () => Promise<void>): Promise<void> {
    try {
      await move();
    } catch (error) {
      await rm(this.#halfImageOf(uid), { force: true });
      this.#options.log.error({ uid, err: error }, 'a disk stays as it is');
    }
  }

  /** Puts what lies in `source` into a new image, which then takes the place of whatever held it. */
  async #fillImage(uid: Uid, source: string, wanted: DiskImageSize): Promise<void> {
    const { log, copy } = this.#options;
    const started = performance.now();
    await mkdir(this.#folderOf(uid), { recursive: true, mode: 0o700 });
    const there = diskParts.filter((part) => existsSync(path.join(source, part)));
    const size = await this.#sizeFor(source, there, wanted);
    const half = this.#halfImageOf(uid);
    await makeDiskImage(half, size);
    {
      await using image = await MountedDiskImage.mount(half);
      await emptyDiskImage(image.folder);
      for (const part of there) await copy(path.join(source, part), path.join(image.folder, part));
    }
    await syncFile(half);
    await this.#images.replace(uid, half);
    await this.#removeParts(uid);
    const ms = Math.round(performance.now() - started);
    log.info(
      { uid, bytes: size.bytes, inodes: size.inodes, copied: there, ms },
      'a disk image holds the data of a user now',
    );
  }

  async #sizeFor(source: string, there: readonly string[], wanted: DiskImageSize): Promise<DiskImageSize> {
    if (there.length === 0) return sizeToHold(wanted, undefined);
    const used = { bytes: 0, entries: 0 };
    for (const part of there) {
      const { bytes, entries } = await this.#options.measure(path.join(source, part));
      used.bytes += bytes;
      used.entries += entries;
    }
    return sizeToHold(wanted, used);
  }

  async #emptyIntoFolder(uid: Uid): Promise<void> {
    const { log, copy } = this.#options;
    const folder = this.#folderOf(uid);
    const half = halfDisk(folder);
    await mkdir(half, { mode: 0o700 });
    {
      await using image = await this.#images.open(uid);
      for (const part of diskParts) {
        const from = path.join(image.folder, part);
        if (existsSync(from)) await copy(from, path.join(half, part));
      }
    }
    await this.#images.close(uid);
    await syncFolder(half);
    await rename(half, wholeDisk(folder));
    await syncFolder(folder);
    await this.settle(uid);
    log.info({ uid }, 'a disk image was taken apart: the user has no limit any more');
  }

  /** Finishes, or takes back, what a crash has left of a move. */
  async settle(uid: Uid): Promise<void> {
    const folder = this.#folderOf(uid);
    if (!existsSync(folder)) return;
    const halfImage = this.#halfImageOf(uid);
    if (existsSync(halfImage)) await rm(halfImage, { force: true });
    const half = halfDisk(folder);
    if (existsSync(half)) await this.#options.remove(half);
    const whole = wholeDisk(folder);
    if (existsSync(whole)) await this.#takeOver(uid, whole);
    if (this.#images.exists(uid)) await this.#removeParts(uid);
  }

  /** Puts a whole folder in the place of the image. */
  async #takeOver(uid: Uid, whole: string): Promise<void> {
    const folder = this.#folderOf(uid);
    await this.#images.close(uid);
    await rm(this.#images.fileOf(uid), { force: true });
    for (const part of diskParts)
      if (existsSync(path.join(whole, part))) await rename(path.join(whole, part), path.join(folder, part));
    await syncFolder(folder);
    await this.#options.remove(whole);
  }

  async #removeParts(uid: Uid): Promise<void> {
    for (const part of diskParts) {
      const old = path.join(this.#folderOf(uid), part);
      if (existsSync(old)) await this.#options.remove(old);
    }
  }
}

async function syncFile(file: string): Promise<void> {
  await using handle = await open(file, 'r');
  await handle.sync();
}

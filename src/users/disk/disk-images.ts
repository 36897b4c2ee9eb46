// Holds disk limits by disk images: fits the image to the limits at a start, and grows it while a sandbox runs.

import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { blockBytes, type DiskImageSize, diskImageBytes, fitsInodes, spaceOf } from './disk-image.ts';
import { hasRoomFor, isSameSize } from './disk-image-size.ts';
import type { DiskLimits, DiskUse } from './limits.ts';
import type { DiskMoves } from './moves.ts';
import type { OpenDiskImages } from './open-disk-images.ts';

export class DiskImages {
  readonly #images: OpenDiskImages;
  readonly #moves: DiskMoves;
  readonly #log: Logger;

  constructor(images: OpenDiskImages, moves: DiskMoves, log: Logger) {
    this.#images = images;
    this.#moves = moves;
    this.#log = log;
  }

  /** As UserDisks has it. Throws E_DISK_FULL, E_DISK_BROKEN. */
  async prepare(uid: Uid, { diskBytes, inodes }: DiskLimits): Promise<void> {
    if (diskBytes === null) return;
    const size: DiskImageSize = { bytes: diskBytes, inodes };
    if (!this.#images.exists(uid)) {
      await this.#moves.toImage(uid, size);
      return;
    }
    await using image = await this.#images.open(uid);
    if (await this.#staysAsItIs(uid, size)) return;
    await this.#moves.toOtherImage(uid, image.folder, size);
  }

  /** Whether no other image is to be made. Grows it where that is all there is to do. */
  async #staysAsItIs(uid: Uid, size: DiskImageSize): Promise<boolean> {
    const image = await this.#images.mounted(uid);
    if (image === undefined) return false;
    const file = this.#images.fileOf(uid);
    if (diskImageBytes(file) < size.bytes) await image.grow(size.bytes);
    const space = await image.space();
    if (isSameSize(diskImageBytes(file), size.bytes) && fitsInodes(space.inodes, size)) return true;
    if (hasRoomFor(space, size)) return false;
    const { usedBytes, usedInodes } = space;
    this.#log.warn(
      { uid, usedBytes, usedInodes, ...size },
      'a disk stays as large as it is: there is more on it than the policy allows by now',
    );
    return true;
  }

  /** As UserDisks has it. */
  async adjust(uid: Uid, { diskBytes, inodes }: DiskLimits): Promise<boolean> {
    if (diskBytes === null) return false;
    await using _use = await this.#images.open(uid);
    const image = await this.#images.mounted(uid);
    const now = diskImageBytes(this.#images.fileOf(uid));
    if (image === undefined || diskBytes < now - blockBytes) return false;
    const grown = isSameSize(diskBytes, now) || (await image.grow(diskBytes));
    return grown && fitsInodes((await image.space()).inodes, { bytes: diskBytes, inodes });
  }

  async use(uid: Uid): Promise<DiskUse> {
    await using image = await this.#images.open(uid);
    const { bytes, usedBytes, inodes, usedInodes } = await spaceOf(image.folder);
    return { bytes: usedBytes, limitBytes: bytes, inodes: usedInodes, inodesLimit: inodes };
  }
}

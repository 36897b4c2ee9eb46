// Keeps users' disk images mounted: each once, for everybody who reads or writes on it, for as long as the user's
// sandbox runs, and for a moment after the last user.

import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { syncFolder } from '../../lib/atomic-file.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { diskImage } from '../places.ts';
import { MountedDiskImage } from './disk-image.ts';

/** Mounting costs a millisecond, and whoever was there often comes again. */
const lingerMs = 2_000;
const patienceMs = 10_000;

interface OpenImage {
  readonly mounting: Promise<MountedDiskImage>;
  users: number;
  /** Called when there is none any more. */
  readonly whenUnused: Set<() => void>;
  closing: NodeJS.Timeout | undefined;
}

/** One who has it open. Valid until disposed. */
export interface ImageUse extends AsyncDisposable {
  /** What is in it. */
  readonly folder: string;
  /** The block device that it is. */
  readonly device: string;
}

export class OpenDiskImages implements AsyncDisposable {
  readonly #state: AbsolutePath;
  readonly #log: Logger;
  readonly #open = new Map<Uid, OpenImage>();

  constructor(state: AbsolutePath, log: Logger) {
    this.#state = state;
    this.#log = log;
  }

  fileOf(uid: Uid): string {
    return diskImage(this.#state, uid);
  }

  /** Whether the user has a disk image. */
  exists(uid: Uid): boolean {
    return existsSync(this.fileOf(uid));
  }

  /** Whether there is something to open: its file, or what is mounted of it. */
  has(uid: Uid): boolean {
    return this.#open.has(uid) || this.exists(uid);
  }

  /** Throws E_DISK_BROKEN. */
  async open(uid: Uid): Promise<ImageUse> {
    const image = this.#open.get(uid) ?? this.#mount(uid);
    clearTimeout(image.closing);
    image.users += 1;
    try {
      const { folder, device } = await image.mounting;
      return { folder, device, [Symbol.asyncDispose]: async () => this.#release(uid, image) };
    } catch (error) {
      this.#release(uid, image);
      throw error;
    }
  }

  /** The one that is open now; undefined: none is. */
  async mounted(uid: Uid): Promise<MountedDiskImage | undefined> {
    return await this.#open.get(uid)?.mounting;
  }

  #mount(uid: Uid): OpenImage {
    const image: OpenImage = {
      mounting: MountedDiskImage.mount(this.fileOf(uid)),
      users: 0,
      whenUnused: new Set(),
      closing: undefined,
    };
    this.#open.set(uid, image);
    image.mounting.catch(() => {
      if (this.#open.get(uid) === image) this.#open.delete(uid);
    });
    return image;
  }

  #release(uid: Uid, image: OpenImage): void {
    image.users -= 1;
    if (image.users > 0) return;
    for (const tell of image.whenUnused) tell();
    image.whenUnused.clear();
    if (this.#open.get(uid) !== image) return;
    clearTimeout(image.closing);
    image.closing = setTimeout(() => void this.#close(uid, image), lingerMs);
    image.closing.unref();
  }

  async #close(uid: Uid, image: OpenImage): Promise<void> {
    clearTimeout(image.closing);
    this.#open.delete(uid);
    try {
      const mounted = await image.mounting;
      await mounted[Symbol.asyncDispose]();
    } catch (error) {
      this.#log.warn({ err: error, uid }, 'closing the disk of a user');
    }
  }

  /** Nobody has it open when this resolves. Throws E_BUSY. */
  async close(uid: Uid): Promise<void> {
    const deadline = Date.now() + patienceMs;
    for (let image = this.#open.get(uid); image !== undefined; image = this.#open.get(uid)) {
      if (image.users === 0) await this.#close(uid, image);
      else if (!(await unusedWithin(image, deadline - Date.now())))
        throw new DockershError('E_BUSY', { why: `the disk of uid ${uid} is in use` });
    }
  }

  /** Puts `file` in the place of the user's image. It is whole, and on the disk. */
  async replace(uid: Uid, file: string): Promise<void> {
    const target = this.fileOf(uid);
    // The old one may still be open, by name and for reading only; whoever comes now finds the new one.
    const old = this.#open.get(uid);
    this.#open.delete(uid);
    await rename(file, target);
    await syncFolder(path.dirname(target));
    if (old !== undefined) void this.#closeOld(uid, old);
  }

  async #closeOld(uid: Uid, old: OpenImage): Promise<void> {
    await unusedWithin(old, patienceMs);
    clearTimeout(old.closing);
    await (await old.mounting)[Symbol.asyncDispose]().catch((error: unknown) => {
      this.#log.warn({ err: error, uid }, 'closing the old disk of a user');
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open].map(async ([uid, image]) => await this.#close(uid, image)));
  }
}

/** False: somebody has it open still. */
async function unusedWithin(image: OpenImage, ms: number): Promise<boolean> {
  if (image.users === 0) return true;
  const unused = Promise.withResolvers<boolean>();
  image.whenUnused.add(() => unused.resolve(true));
  return await Promise.race([unused.promise, delay(Math.max(0, ms), false, { ref: false })]);
}

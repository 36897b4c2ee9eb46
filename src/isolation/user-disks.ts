// What users keep on the disk, and how it is held: in a plain folder, in the same folder as a project with a quota, or in
// an image of their own. Everybody who reads or writes it opens it first and lets go of it afterwards.
//
//   <state>/users/<uid>/disk.img      the image; where it is, there is nothing of the following beside it
//   <state>/users/<uid>/{layer,rescue,snapshots,home}
//
// Changing from one to the other copies, and is whole after a crash at any instant: disk.img comes and goes by rename.

import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DockershError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import {
  emptyImage,
  fitsInodes,
  type ImageSize,
  imageBytes,
  imagesMissing,
  MountedImage,
  makeImage,
  type Space,
  spaceOf,
} from './disk-image.ts';
import { type DiskLimits, type Holder, holderOf } from './disk-limits.ts';
import type { DiskUse } from './engine.ts';
import {
  forgetProject,
  isProject,
  limitExactly,
  limitForStart,
  makeProject,
  type Project,
  projectsMissing,
  projectUse,
} from './project-quota.ts';
import { userFolder } from './user-folder.ts';

export interface UserDisk extends AsyncDisposable {
  /** The user's folder in the state. */
  readonly outside: string;
  /** What holds layer, rescue, snapshots and home. Valid until disposed. */
  readonly folder: string;
  /** The block device that a sandbox mounts to see it; undefined where the folder is one of the host's. */
  readonly device: string | undefined;
  /** It can be full while the host's disk is not. */
  readonly limited: boolean;
}

export interface UserDisksOptions {
  readonly state: string;
  readonly log: Logger;
  /** Copies a folder with everything in it, so that it is on the disk afterwards. Throws E_DISK_FULL. */
  readonly copy: (from: string, to: string) => Promise<void>;
  readonly remove: (folder: string) => Promise<void>;
  /** Makes everything in a folder a project's; 0: nobody's. */
  readonly mark: (id: number, folder: string) => Promise<void>;
  /** Of a folder with everything in it. */
  readonly measure: (folder: string) => Promise<{ readonly bytes: number; readonly entries: number }>;
}

/** Whose disk. */
export interface DiskOwner {
  readonly uid: number;
  /** What root inside is on the host. */
  readonly projectId: number;
}

const unlimitedDisk = { diskBytes: null, inodes: null };
/** What a disk consists of. */
const parts = ['layer', 'rescue', 'snapshots', 'home'];
/** Mounting costs a millisecond, and whoever was there often comes again. */
const lingerMs = 2_000;
const patienceMs = 10_000;
/** Of an image, for what is in it. */
const headroom = 1.06;
const leastFreeBytes = 8 * 1024 ** 2;

interface OpenImage {
  readonly mounting: Promise<MountedImage>;
  users: number;
  closing: NodeJS.Timeout | undefined;
}

export class UserDisks implements AsyncDisposable {
  readonly #options: UserDisksOptions;
  readonly #open = new Map<number, OpenImage>();
  /** Of running sandboxes: their disks stay open as long as they do. */
  readonly #kept = new Map<number, Promise<UserDisk>>();

  constructor(options: UserDisksOptions) {
    this.#options = options;
  }

  #folderOf(uid: number): string {
    return userFolder(this.#options.state, uid);
  }

  #imageOf(uid: number): string {
    return path.join(this.#folderOf(uid), 'disk.img');
  }

  hasImage(uid: number): boolean {
    return existsSync(this.#imageOf(uid));
  }

  /** Throws E_DISK_BROKEN. */
  async open(uid: number): Promise<UserDisk> {
    const outside = this.#folderOf(uid);
    if (!this.#open.has(uid) && !this.hasImage(uid)) {
      return {
        outside,
        folder: outside,
        device: undefined,
        limited: isProject(outside),
        [Symbol.asyncDispose]: async () => {},
      };
    }
    const image = this.#open.get(uid) ?? this.#mount(uid);
    clearTimeout(image.closing);
    image.users += 1;
    try {
      const { folder, device } = await image.mounting;
      return {
        outside,
        folder,
        device,
        limited: true,
        [Symbol.asyncDispose]: async () => this.#release(uid, image),
      };
    } catch (error) {
      this.#release(uid, image);
      throw error;
    }
  }

  #mount(uid: number): OpenImage {
    const image: OpenImage = {
      mounting: MountedImage.mount(this.#imageOf(uid)),
      users: 0,
      closing: undefined,
    };
    this.#open.set(uid, image);
    image.mounting.catch(() => {
      if (this.#open.get(uid) === image) this.#open.delete(uid);
    });
    return image;
  }

  #release(uid: number, image: OpenImage): void {
    image.users -= 1;
    if (image.users > 0 || this.#open.get(uid) !== image) return;
    image.closing = setTimeout(() => void this.#close(uid, image), lingerMs);
    image.closing.unref();
  }

  async #close(uid: number, image: OpenImage): Promise<void> {
    clearTimeout(image.closing);
    this.#open.delete(uid);
    try {
      const mounted = await image.mounting;
      await mounted[Symbol.asyncDispose]();
    } catch (error) {
      this.#options.log.warn({ err: error, uid }, 'closing the disk of a user');
    }
  }

  /** Until drop(): the user's sandbox runs. */
  keep(uid: number): void {
    if (this.#kept.has(uid) || !this.hasImage(uid)) return;
    const kept = this.open(uid);
    this.#kept.set(uid, kept);
    kept.catch((error: unknown) => {
      this.#kept.delete(uid);
      this.#options.log.warn({ err: error, uid }, 'the disk of a running sandbox');
    });
  }

  async drop(uid: number): Promise<void> {
    const kept = this.#kept.get(uid);
    this.#kept.delete(uid);
    await (await kept?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  /** Nobody has it open when this resolves. Throws E_BUSY. */
  async close(uid: number): Promise<void> {
    const deadline = Date.now() + patienceMs;
    for (let image = this.#open.get(uid); image !== undefined; image = this.#open.get(uid)) {
      if (image.users === 0) await this.#close(uid, image);
      else if (Date.now() < deadline) await delay(20);
      else throw new DockershError('E_BUSY', { why: `the disk of uid ${uid} is in use` });
    }
  }

  /**
   * Makes the user's disk what the limits say. Call while there is no sandbox and nobody else at it. Throws E_LIMIT_REFUSED
   * where they can't be held and `strict` says that they must be.
   */
  async prepare({ uid, projectId }: DiskOwner, limits: DiskLimits, strict: boolean): Promise<void> {
    const holder = await this.#holder(limits, strict);
    await this.#settle(uid);
    if (holder === 'image') await this.#prepareImage(uid, limits);
    else if (this.hasImage(uid)) await this.#orAsItIs(uid, async () => await this.#toFolder(uid));
    await this.#prepareProject(this.#projectOf({ uid, projectId }, limits), holder, limits);
  }

  #projectOf({ uid, projectId }: DiskOwner, { home, homeRoot }: DiskLimits): Project {
    const homePlace = home === 'private' && homeRoot !== null ? path.join(homeRoot, String(uid)) : undefined;
    return { id: projectId, outside: this.#folderOf(uid), homePlace };
  }

  async #prepareProject(project: Project, holder: Holder, limits: DiskLimits): Promise<void> {
    if (holder === 'project') {
      await this.#makeProject(project);
      await limitForStart(project, limits);
    } else if (isProject(project.outside)) await limitExactly(project, { ...limits, ...unlimitedDisk });
  }

  async #makeProject(project: Project): Promise<void> {
    const started = performance.now();
    if (!(await makeProject(project, parts, this.#options.mark))) return;
    const ms = Math.round(performance.now() - started);
    this.#options.log.info(
      { folder: project.outside, project: project.id, ms },
      'files counted as a project',
    );
  }

  /** The last word before anything of the user's runs: what was made for the start is there by now. */
  async seal(owner: DiskOwner, limits: DiskLimits, layer: string): Promise<void> {
    const { holder, missing } = await this.canHold(limits);
    if (holder !== 'project' || missing !== undefined || this.hasImage(owner.uid)) return;
    const project = this.#projectOf(owner, limits);
    await this.#makeProject(project); // a home below home_root may be new
    await limitExactly(project, limits, layer);
  }

  /** A disk that holds its user to something, though not to what the policy says by now, is better than no login. */
  async #orAsItIs(uid: number, change: () => Promise<void>): Promise<void> {
    try {
      await change();
    } catch (error) {
      await rm(`${this.#imageOf(uid)}.new`, { force: true });
      this.#options.log.error({ uid, err: error }, 'a disk stays as it is');
    }
  }

  async #holder(limits: DiskLimits, strict: boolean): Promise<Holder> {
    const { holder, missing } = await this.canHold(limits);
    if (missing === undefined) return holder;
    if (strict) throw new DockershError('E_LIMIT_REFUSED', { why: `disk, inodes: ${missing}` });
    return 'folder';
  }

  /** What holds these limits here, or why nothing does. */
  async canHold(limits: DiskLimits): Promise<{ readonly holder: Holder; readonly missing?: string }> {
    const chosen = holderOf(limits, await this.#noProjects(limits));
    if (chosen.missing !== undefined || chosen.holder !== 'image') return chosen;
    const missing = imagesMissing();
    return missing === undefined ? chosen : { holder: 'image', missing };
  }

  async #noProjects({ diskBytes, inodes, home, homeRoot }: DiskLimits): Promise<string | undefined> {
    // Nobody has to be asked, twice in every cold start, what would hold no limit.
    if (diskBytes === null && inodes === null) return undefined;
    const missing = await projectsMissing(this.#options.state);
    return missing ?? (home === 'private' && homeRoot !== null ? await projectsMissing(homeRoot) : undefined);
  }

  async #prepareImage(uid: number, { diskBytes, inodes }: DiskLimits): Promise<void> {
    if (diskBytes === null) return;
    const size: ImageSize = { bytes: diskBytes, inodes };
    if (!this.hasImage(uid)) {
      await this.#toImage(uid, this.#folderOf(uid), size);
      return;
    }
    await using disk = await this.open(uid);
    if (await this.#fits(uid, size)) return;
    const { folder } = disk;
    await this.#orAsItIs(uid, async () => await this.#toImage(uid, folder, size));
  }

  /** Grows it where that is all there is to do. */
  async #fits(uid: number, size: ImageSize): Promise<boolean> {
    const image = await this.#open.get(uid)?.mounting;
    if (image === undefined) return false;
    if (imageBytes(this.#imageOf(uid)) < size.bytes) await image.grow(size.bytes);
    const space = await image.space();
    const isRight =
      Math.abs(imageBytes(this.#imageOf(uid)) - size.bytes) < 4096 && fitsInodes(space.inodes, size);
    return isRight || !this.#hasRoomFor(uid, space, size);
  }

  /** Less than there is in it is not made of it. */
  #hasRoomFor(uid: number, { usedBytes, usedInodes }: Space, { bytes, inodes }: ImageSize): boolean {
    const enough = usedBytes * headroom + leastFreeBytes < bytes && (inodes === null || usedInodes < inodes);
    if (!enough)
      this.#options.log.warn(
        { uid, usedBytes, usedInodes, bytes, inodes },
        'a disk stays as large as it is: there is more on it than the policy allows by now',
      );
    return enough;
  }

  /** Puts what lies in `source` into a new image, which then takes the place of whatever held it. */
  async #toImage(uid: number, source: string, wanted: ImageSize): Promise<void> {
    const { log, copy } = this.#options;
    const folder = this.#folderOf(uid);
    const started = performance.now();
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const there = parts.filter((part) => existsSync(path.join(source, part)));
    const size = await this.#sizeFor(source, there, wanted);
    const half = `${this.#imageOf(uid)}.new`;
    await makeImage(half, size);
    {
      await using image = await MountedImage.mount(half);
      await emptyImage(image.folder);
      for (const part of there) await copy(path.join(source, part), path.join(image.folder, part));
    }
    await syncFile(half);
    // The old one may still be open, by name and for reading only; whoever comes now finds the new one.
    const old = this.#open.get(uid);
    this.#open.delete(uid);
    await rename(half, this.#imageOf(uid));
    await syncFile(folder);
    if (old !== undefined) void this.#closeOld(uid, old);
    await this.#removeParts(uid);
    const ms = Math.round(performance.now() - started);
    log.info({ uid, bytes: size.bytes, inodes: size.inodes, copied: there, ms }, 'disk made');
  }

  async #closeOld(uid: number, old: OpenImage): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while (old.users > 0 && Date.now() < deadline) await delay(20);
    clearTimeout(old.closing);
    await (await old.mounting)[Symbol.asyncDispose]().catch((error: unknown) => {
      this.#options.log.warn({ err: error, uid }, 'closing the old disk of a user');
    });
  }

  /** What is there already must fit, whatever the limit. */
  async #sizeFor(source: string, there: readonly string[], wanted: ImageSize): Promise<ImageSize> {
    const used = { bytes: 0, entries: 0 };
    for (const part of there) {
      const { bytes, entries } = await this.#options.measure(path.join(source, part));
      used.bytes += bytes;
      used.entries += entries;
    }
    const least = there.length === 0 ? 0 : used.bytes * headroom + used.entries * 512 + leastFreeBytes * 2;
    const inodes =
      wanted.inodes === null ? null : Math.max(wanted.inodes, Math.ceil(used.entries * 1.01) + 64);
    return { bytes: Math.max(wanted.bytes, Math.ceil(least / 4096) * 4096), inodes };
  }

  async #toFolder(uid: number): Promise<void> {
    const { log, copy } = this.#options;
    const half = path.join(this.#folderOf(uid), 'disk.new');
    await mkdir(half, { mode: 0o700 });
    {
      await using disk = await this.open(uid);
      for (const part of parts) {
        const from = path.join(disk.folder, part);
        if (existsSync(from)) await copy(from, path.join(half, part));
      }
    }
    await this.close(uid);
    await syncFile(half);
    await rename(half, path.join(this.#folderOf(uid), 'disk.out'));
    await syncFile(this.#folderOf(uid));
    await this.#settle(uid);
    log.info({ uid }, 'disk taken apart: there is no limit any more');
  }

  /** After a start of the daemon, for every user that there is. */
  async cleanUp(uid: number): Promise<void> {
    await this.#settle(uid);
  }

  /** Finishes, or takes back, what a crash has left of a change. */
  async #settle(uid: number): Promise<void> {
    const folder = this.#folderOf(uid);
    if (!existsSync(folder)) return;
    await rm(`${this.#imageOf(uid)}.new`, { force: true });
    const half = path.join(folder, 'disk.new');
    if (existsSync(half)) await this.#options.remove(half);
    const whole = path.join(folder, 'disk.out');
    if (existsSync(whole)) {
      await this.close(uid);
      await rm(this.#imageOf(uid), { force: true });
      for (const part of parts)
        if (existsSync(path.join(whole, part))) await rename(path.join(whole, part), path.join(folder, part));
      await syncFile(folder);
      await this.#options.remove(whole);
    }
    if (this.hasImage(uid)) await this.#removeParts(uid);
  }

  async #removeParts(uid: number): Promise<void> {
    for (const part of parts) {
      const old = path.join(this.#folderOf(uid), part);
      if (existsSync(old)) await this.#options.remove(old);
    }
  }

  /** Has a running sandbox keep to other limits. False: what is left to do, its next start does. */
  async adjust(owner: DiskOwner, limits: DiskLimits): Promise<boolean> {
    const { uid } = owner;
    const { diskBytes, inodes } = limits;
    const { holder, missing } = holderOf(limits, await this.#noProjects(limits));
    if (!this.hasImage(uid)) {
      if (isProject(this.#folderOf(uid)) && missing === undefined)
        await limitExactly(
          this.#projectOf(owner, limits),
          holder === 'project' ? limits : { ...limits, ...unlimitedDisk },
        );
      return holder === 'folder' || (holder === 'project' && isProject(this.#folderOf(uid)));
    }
    if (diskBytes === null || holder !== 'image') return false;
    await using _disk = await this.open(uid);
    const image = await this.#open.get(uid)?.mounting;
    const now = imageBytes(this.#imageOf(uid));
    if (image === undefined || diskBytes < now - 4096) return false;
    const grown = Math.abs(diskBytes - now) < 4096 || (await image.grow(diskBytes));
    return grown && fitsInodes((await image.space()).inodes, { bytes: diskBytes, inodes });
  }

  /** The folder is about to leave the user's folder: its files are counted no more. */
  async leave(uid: number, folder: string): Promise<void> {
    if (!isProject(this.#folderOf(uid))) return;
    await forgetProject(this.#folderOf(uid));
    await this.#options.mark(0, folder);
  }

  /** Undefined where nothing is counted. */
  async use({ uid, projectId }: DiskOwner): Promise<DiskUse | undefined> {
    const outside = this.#folderOf(uid);
    if (!this.hasImage(uid)) {
      if (!isProject(outside) || (await projectsMissing(outside)) !== undefined) return undefined;
      return await projectUse({ id: projectId, outside, homePlace: undefined });
    }
    await using disk = await this.open(uid);
    const { bytes, usedBytes, inodes, usedInodes } = await spaceOf(disk.folder);
    return { bytes: usedBytes, limitBytes: bytes, inodes: usedInodes, inodesLimit: inodes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const uid of [...this.#kept.keys()]) await this.drop(uid);
    await Promise.all([...this.#open].map(async ([uid, image]) => await this.#close(uid, image)));
  }
}

async function syncFile(file: string): Promise<void> {
  await using handle = await open(file, 'r');
  await handle.sync();
}

// Opens what users keep on the disk, in whatever holds it: a plain folder, the same folder as a project with a quota
// (project-disks.ts), or a disk image (disk-images.ts). Whoever reads or writes it opens it first and lets go of it
// afterwards.
//
//   <state>/users/<uid>/disk.img      the image; where it is, there is nothing of the following beside it
//   <state>/users/<uid>/{layer,rescue,snapshots,home}

import { DockershError } from '../../lib/errors.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { StoppedUser } from '../lock.ts';
import { userFolder } from '../places.ts';
import { diskImagesMissing } from './disk-image.ts';
import { DiskImages } from './disk-images.ts';
import { type DiskLimits, type DiskUse, type Holder, holderOf } from './limits.ts';
import { DiskMoves, type DiskMovesOptions } from './moves.ts';
import { OpenDiskImages } from './open-disk-images.ts';
import { type DiskOwner, ProjectDisks, type ProjectDisksOptions } from './project-disks.ts';
import { projectsMissing } from './project-quota.ts';

export interface UserDisk extends AsyncDisposable {
  /** The user's folder in the state. */
  readonly outside: AbsolutePath;
  /** What holds layer, rescue, snapshots and home. Valid until disposed. */
  readonly folder: string;
  /** The block device that a sandbox mounts to see it; undefined where the folder is one of the host's. */
  readonly device: string | undefined;
  /** It can be full while the host's disk is not. */
  readonly limited: boolean;
}

export type UserDisksOptions = DiskMovesOptions & ProjectDisksOptions;

export class UserDisks implements AsyncDisposable {
  readonly #state: AbsolutePath;
  readonly #open: OpenDiskImages;
  readonly #moves: DiskMoves;
  readonly #images: DiskImages;
  readonly #projects: ProjectDisks;

  constructor(options: UserDisksOptions) {
    const { state, log } = options;
    this.#state = state;
    this.#open = new OpenDiskImages(state, log);
    this.#moves = new DiskMoves(options, this.#open);
    this.#images = new DiskImages(this.#open, this.#moves, log);
    this.#projects = new ProjectDisks(options);
  }

  hasImage(uid: Uid): boolean {
    return this.#open.exists(uid);
  }

  /** Throws E_DISK_BROKEN. */
  async open(uid: Uid): Promise<UserDisk> {
    const outside = userFolder(this.#state, uid);
    if (this.#open.has(uid)) return { ...(await this.#open.open(uid)), outside, limited: true };
    const limited = this.#projects.has(uid);
    return { outside, folder: outside, device: undefined, limited, [Symbol.asyncDispose]: async () => {} };
  }

  /** Nobody has it open when this resolves. Throws E_BUSY. */
  async close({ uid }: StoppedUser): Promise<void> {
    await this.#open.close(uid);
  }

  /**
   * Makes the user's disk what the limits say. Throws E_LIMIT_REFUSED
   * where they can't be held and `strict` says that they must be, E_DISK_FULL, E_DISK_BROKEN.
   */
  async prepare({ uid }: StoppedUser, owner: DiskOwner, limits: DiskLimits, strict: boolean): Promise<void> {
    const holder = await this.#holder(limits, strict);
    await this.#moves.settle(uid);
    if (holder === 'image') await this.#images.prepare(uid, limits);
    else if (this.hasImage(uid)) await this.#moves.toFolder(uid);
    if (holder === 'project') await this.#projects.prepare(owner, limits);
    else if (this.#projects.has(uid)) await this.#projects.lift(owner, limits);
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
    const missing = diskImagesMissing();
    return missing === undefined ? chosen : { holder: 'image', missing };
  }

  async #noProjects({ diskBytes, inodes, home, homeRoot }: DiskLimits): Promise<string | undefined> {
    // Nobody has to be asked, twice in every cold start, what would hold no limit.
    if (diskBytes === null && inodes === null) return undefined;
    const missing = await projectsMissing(this.#state);
    return missing ?? (home === 'private' && homeRoot !== null ? await projectsMissing(homeRoot) : undefined);
  }

  /** The last word before anything of the user's runs: what was made for the start is there by now. */
  async seal(owner: DiskOwner, limits: DiskLimits, layer: string): Promise<void> {
    const { holder, missing } = await this.canHold(limits);
    if (holder !== 'project' || missing !== undefined || this.hasImage(owner.uid)) return;
    await this.#projects.seal(owner, limits, layer);
  }

  /** Has a running sandbox keep to other limits. False: what is left to do, its next start does. */
  async adjust(owner: DiskOwner, limits: DiskLimits): Promise<boolean> {
    const { uid } = owner;
    const { holder, missing } = holderOf(limits, await this.#noProjects(limits));
    if (this.hasImage(uid)) return holder === 'image' && (await this.#images.adjust(uid, limits));
    const isCounted = this.#projects.has(uid);
    if (isCounted && missing === undefined) {
      if (holder === 'project') await this.#projects.limit(owner, limits);
      else await this.#projects.lift(owner, limits);
    }
    return holder === 'folder' || (holder === 'project' && isCounted);
  }

  /** The folder is about to leave the user's folder: its files are counted no more. */
  async leave(uid: Uid, folder: string): Promise<void> {
    if (this.#projects.has(uid)) await this.#projects.leave(uid, folder);
  }

  /** Undefined where nothing is counted. */
  async use(owner: DiskOwner): Promise<DiskUse | undefined> {
    if (this.hasImage(owner.uid)) return await this.#images.use(owner.uid);
    return this.#projects.has(owner.uid) ? await this.#projects.use(owner) : undefined;
  }

  /** After a start of the daemon, for every user that there is. */
  async cleanUp(uid: Uid): Promise<void> {
    await this.#moves.settle(uid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open[Symbol.asyncDispose]();
  }
}

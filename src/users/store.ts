// Owns what is kept of users in the state: whose it is, their ids, their disks, and what a sandbox mounts of it. Whoever
// changes it shows that nobody else is at it, and that no sandbox runs (lock.ts).

import { mkdir } from 'node:fs/promises';
import type { LayerProgram } from '../images/layers/program.ts';
import type { SandboxSpec, SandboxStorage, UserRecord } from '../isolation/engine.ts';
import { firstRange, type IdMaps, idMapsOf, rootIdOf } from '../isolation/ids.ts';
import { DockershError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { AbsolutePath } from '../lib/values/absolute-path.ts';
import type { Uid } from '../lib/values/uid.ts';
import { diskFiles } from './disk/files.ts';
import type { DiskLimits, DiskUse } from './disk/limits.ts';
import type { DiskOwner } from './disk/project-disks.ts';
import { UserDisks } from './disk/user-disks.ts';
import { prepareIdentityLayer } from './identity-layer.ts';
import { type StoppedUser, UserLocks } from './lock.ts';
import { OwnChoices } from './own/choices.ts';
import { FolderOwners } from './owners.ts';
import { identityFolder, idsFile, type UserLayerKind, upperOf, usersFolder } from './places.ts';
import { SlotRegistry } from './slot-registry.ts';
import { prepareUserFolder } from './user-folder.ts';

/** A user's own layer on the disk. Its paths are valid until it is disposed. */
export interface UserLayer extends AsyncDisposable {
  /** What holds the layer, its snapshots and the private home. */
  readonly folder: string;
  /** The tree itself. */
  readonly upper: string;
  /** Lines of uid_map and gid_map: whose ids the files have on the disk. */
  readonly ids: Pick<IdMaps, 'uidMap' | 'gidMap'>;
}

interface StoreParts {
  readonly state: AbsolutePath;
  readonly log: Logger;
  readonly slots: SlotRegistry;
  readonly owners: FolderOwners;
  readonly disks: UserDisks;
}

export class UserStore implements AsyncDisposable {
  readonly #parts: StoreParts;
  readonly state: AbsolutePath;
  readonly owners: FolderOwners;
  readonly disks: UserDisks;
  readonly choices: OwnChoices;
  readonly locks = new UserLocks();

  private constructor(parts: StoreParts) {
    this.#parts = parts;
    this.state = parts.state;
    this.owners = parts.owners;
    this.disks = parts.disks;
    this.choices = new OwnChoices(parts.state);
  }

  static async open(state: AbsolutePath, program: LayerProgram, log: Logger): Promise<UserStore> {
    await mkdir(usersFolder(state), { recursive: true, mode: 0o700 });
    const slots = await SlotRegistry.open(idsFile(state));
    const owners = await FolderOwners.open(state, log);
    const disks = new UserDisks({ state, log, ...diskFiles(program) });
    return new UserStore({ state, log, slots, owners, disks });
  }

  /** What the user's ids are on the host. Throws E_UID_RANGE. */
  async idsOf(user: UserRecord): Promise<IdMaps> {
    const { uid, gid } = user;
    if (Math.max(uid, gid) >= firstRange) {
      throw new DockershError('E_UID_RANGE', { why: `uid ${uid}, gid ${gid}` });
    }
    return idMapsOf(user, await this.#parts.slots.slotOf(uid));
  }

  hasRange(uid: Uid): boolean {
    return this.#parts.slots.has(uid);
  }

  /** Takes the range back. Only where no file has one of its ids. */
  async releaseRange({ uid }: StoppedUser): Promise<void> {
    await this.#parts.slots.release(uid);
  }

  /** Where a user's own layer lies, or will once they have logged in. */
  async layerOf(user: UserRecord): Promise<UserLayer> {
    const { uidMap, gidMap } = await this.idsOf(user);
    const disk = await this.disks.open(user.uid);
    const { folder } = disk;
    return {
      folder,
      upper: upperOf(folder),
      ids: { uidMap, gidMap },
      [Symbol.asyncDispose]: async () => await disk[Symbol.asyncDispose](),
    };
  }

  async #diskOwner(uid: Uid): Promise<DiskOwner> {
    return { uid, projectId: rootIdOf(await this.#parts.slots.slotOf(uid)) };
  }

  /**
   * Makes the user's disk what the limits say, which may take as long as copying it. Throws E_LIMIT_REFUSED,
   * E_DISK_FULL, E_DISK_BROKEN.
   */
  async prepareDisk(user: StoppedUser, limits: DiskLimits, strict: boolean): Promise<void> {
    await this.disks.prepare(user, await this.#diskOwner(user.uid), limits, strict);
  }

  /**
   * All that a sandbox mounts of the user's, made where it is missing. Last of all the disk is held to its limits. Throws
   * E_UID_RANGE, E_HOME, E_DISK_BROKEN.
   */
  async storage(
    user: StoppedUser,
    spec: SandboxSpec,
    limits: DiskLimits,
    kind: UserLayerKind,
  ): Promise<SandboxStorage> {
    const ids = await this.idsOf(spec.user);
    await using opened = new AsyncDisposableStack();
    const disk = opened.use(await this.disks.open(user.uid));
    const { device, layer, home, inside } = await prepareUserFolder(
      spec.user,
      ids.rootId,
      disk,
      limits,
      kind,
    );
    const identity = await prepareIdentityLayer(identityFolder(disk.outside), spec, ids);
    await this.disks.seal({ uid: user.uid, projectId: ids.rootId }, limits, inside);
    const kept = opened.move();
    return {
      ids,
      device,
      layer,
      identity,
      home,
      [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
    };
  }

  /** Has a running sandbox keep to other limits. False: what is left to do, its next start does. */
  async adjustDisk(uid: Uid, limits: DiskLimits): Promise<boolean> {
    return await this.disks.adjust(await this.#diskOwner(uid), limits);
  }

  /** null: it is not counted. */
  async diskUse(uid: Uid): Promise<DiskUse | null> {
    try {
      return (await this.disks.use(await this.#diskOwner(uid))) ?? null;
    } catch (error) {
      this.#parts.log.warn({ uid, err: error }, 'what a user keeps on the disk cannot be counted');
      return null; // no reason to show nothing
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disks[Symbol.asyncDispose]();
  }
}

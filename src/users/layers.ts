// Operations on users' own layers: a start looks up the image that the layer is made on; administrators compare,
// commit, snapshot, roll back, reset, upgrade. One operation at a time for each user (access.ts).

import { dirname } from 'node:path';
import type { ImportOptions } from '../images/import/options.ts';
import type { CommitResult, ConfigChanges } from '../images/layers/commit.ts';
import type { LayerChange } from '../images/layers/diff.ts';
import { StandIns } from '../images/stand-in/stand-in.ts';
import type { ImageStore, ResolvedImage } from '../images/store/image-store.ts';
import type { Reserve } from '../images/store/reserve.ts';
import type { UserRecord } from '../isolation/engine.ts';
import { DockershError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { shellOperand } from '../lib/text/shell-word.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { EffectivePolicy } from '../policy/policy.ts';
import type { LayerAccess, Paused } from './access.ts';
import { DiskBases } from './disk/bases.ts';
import { uidsBelow } from './folders.ts';
import { missing, ownImageAtStart, snapshotNameNow } from './image-at-start.ts';
import {
  cleanUserFolder,
  isVirtual,
  type LayerBase,
  layerUsage,
  listSnapshots,
  removeSnapshot,
  resetLayer,
  rollbackLayer,
  type Saving,
  type Snapshot,
  takeSnapshot,
} from './layer/snapshots.ts';
import type { StoppedUser } from './lock.ts';
import { userFolder } from './places.ts';
import { clearGoneFolders } from './removal.ts';
import { type ImageAtStart, imageOrRescue } from './rescue.ts';
import type { UserStore } from './store.ts';

export interface CommitRequest {
  readonly name: string;
  readonly author?: string | undefined;
  readonly message?: string | undefined;
  /** Of the image's configuration. */
  readonly configChanges: ConfigChanges;
  /** False: the files of a running sandbox are taken while it changes them. */
  readonly pause?: boolean | undefined;
}

export interface LayerUse {
  readonly uid: Uid;
  readonly layerBytes: number;
  readonly files: number;
  readonly snapshots: number;
  readonly snapshotBytes: number;
}

export class UserLayers {
  readonly #store: UserStore;
  readonly #images: ImageStore;
  readonly #bases: DiskBases;
  readonly #access: LayerAccess;
  readonly #standIns: StandIns;
  readonly #reserve: Reserve;

  constructor(store: UserStore, images: ImageStore, access: LayerAccess, reserve: Reserve) {
    this.#store = store;
    this.#images = images;
    this.#bases = new DiskBases(store.state, store.disks);
    this.#access = access;
    this.#standIns = new StandIns(store.state, dirname(images.layerProgram.path));
    this.#reserve = reserve;
  }

  /** Removes what a crash left half made. Call before the first sandbox starts. */
  async cleanUp(): Promise<void> {
    await clearGoneFolders(this.#images.layerProgram, this.#store.state);
    for (const uid of await uidsBelow(this.#store.state)) {
      await this.#store.disks.cleanUp(uid);
      // A layer on a disk image is cleaned when that is next prepared: mounting all of them would take long.
      await cleanUserFolder(this.#images.layerProgram, userFolder(this.#store.state, uid));
    }
  }

  /**
   * The image that a sandbox starts from now, with the user's disk as the policy wants it. Throws E_OWNER, E_LIMIT_REFUSED,
   * E_DISK_BROKEN, and as ownImageAtStart does.
   */
  async prepareStart(
    held: StoppedUser,
    user: UserRecord,
    policy: EffectivePolicy,
    log: Logger,
  ): Promise<ImageAtStart> {
    const { uid } = held;
    const images = this.#images;
    await this.#store.owners.claim(user);
    await this.#store.prepareDisk(held, policy, policy.strict);
    await using disk = await this.#store.disks.open(uid);
    const { folder } = disk;
    if (this.#store.disks.hasImage(uid)) {
      await cleanUserFolder(images.layerProgram, folder);
      await this.#bases.refreshIn(uid, folder);
    }
    const remember = async (digest: string) => await this.#bases.add(uid, digest);
    const own = async () => await ownImageAtStart({ images, log, folder, policy, remember });
    const start = await imageOrRescue({
      images,
      log,
      user,
      outside: disk.outside,
      rescue: policy.rescue,
      own,
    });
    return { ...start, image: { ...start.image, layers: await this.#standIns.below(start.image) } };
  }

  /** `told` hears of the changes in the order of paths, as fast as it can take them; the number of them comes back. */
  async diff(
    user: UserRecord,
    told: (change: LayerChange) => Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<number> {
    const compare = async (): Promise<number> => {
      await using begun = await this.#access.begun(user);
      const { upper, ids, base } = begun;
      const lowers = (await this.#imageOf(base)).layers.map((layer) => layer.path);
      let count = 0;
      for await (const change of this.#images.diff(upper, lowers, ids, { signal })) {
        const taking = told(change);
        if (taking !== undefined) await taking;
        count += 1;
      }
      return count;
    };
    return await this.#access.held(user, compare, signal);
  }

  async commit(
    user: UserRecord,
    request: CommitRequest,
    options: ImportOptions,
  ): Promise<CommitResult & Paused> {
    await using begun = await this.#access.begun(user);
    const { ids, base } = begun;
    if (isVirtual(base.digest)) {
      throw new DockershError('E_USAGE', {
        what: `commit of ${user.name}`,
        why: `the sandbox is made on "${base.image}", which is the host itself and no image that could be passed on`,
        hint: 'Give the user an image (policy key "image"), and commit what is changed there.',
      });
    }
    const { name, author, message, configChanges, pause = true } = request;
    const commit = { ...options, name, author, message, configChanges };
    let pausedMs: number | null = null;
    const copy = async (to: string): Promise<void> => {
      const copying = { ...options, pause, forImage: true, program: this.#images.layerProgram };
      ({ pausedMs } = await this.#access.copy(user, begun, to, copying));
    };
    const made = await this.#images.commit(copy, ids, `image@${base.digest}`, commit);
    return { ...made, pausedMs };
  }

  async snapshot(
    user: UserRecord,
    name: string | undefined,
    {
      message,
      pause = true,
    }: { readonly message?: string | undefined; readonly pause?: boolean | undefined },
    options: ImportOptions,
  ): Promise<Snapshot & Paused> {
    await using begun = await this.#access.begun(user);
    const { folder } = begun;
    const wanted = name ?? snapshotNameNow('');
    const program = this.#images.layerProgram;
    let pausedMs: number | null = null;
    const copy = async (to: string) => {
      const copied = await this.#access.copy(user, begun, to, {
        ...options,
        pause,
        forImage: false,
        program,
      });
      ({ pausedMs } = copied);
      return copied;
    };
    return { ...(await takeSnapshot(program, folder, wanted, { message, copy })), pausedMs };
  }

  /** Newest first. */
  async snapshots(user: UserRecord): Promise<Snapshot[]> {
    await using layer = await this.#store.layerOf(user);
    return (await listSnapshots(layer.folder)).reverse();
  }

  async removeSnapshot(user: UserRecord, name: string, signal: AbortSignal): Promise<void> {
    await using layer = await this.#store.layerOf(user);
    const remove = () => removeSnapshot(this.#images.layerProgram, layer.folder, name);
    await this.#access.held(user, () => this.#reserve.whenFull(remove), signal);
  }

  /** Without a name, to the newest. What was there before is saved as one more. */
  async rollback(user: UserRecord, name: string | undefined, signal: AbortSignal) {
    await using begun = await this.#access.begun(user);
    const { folder } = begun;
    const program = this.#images.layerProgram;
    const there = (await listSnapshots(folder)).map((one) => one.name);
    const wanted = name ?? there.at(-1);
    if (wanted === undefined || !there.includes(wanted)) {
      throw new DockershError('E_NOT_FOUND', {
        what: wanted === undefined ? `a snapshot of ${user.name}` : `snapshot "${wanted}" of ${user.name}`,
        why: 'there is none',
        hint: `See "dockershctl snapshot --ls ${shellOperand(user.name)}".`,
      });
    }
    const putBack = async () => {
      const save = await this.#saving(folder, 'before-rollback', signal);
      return await rollbackLayer(program, folder, wanted, { signal, save });
    };
    const { stopped, result } = await this.#access.stopped(user, putBack, signal);
    return { ...result, stopped };
  }

  /** Empties the layer; it begins on what the policy's image means by then. */
  async reset(user: UserRecord, policy: EffectivePolicy, save: boolean, signal: AbortSignal) {
    await using begun = await this.#access.begun(user);
    const { folder } = begun;
    const program = this.#images.layerProgram;
    const current = await this.#images.resolve(policy.image);
    const base = current === undefined ? undefined : { image: policy.image, digest: current.digest };
    const empty = async () => {
      if (base !== undefined) await this.#bases.add(user.uid, base.digest);
      const saving = save ? await this.#saving(folder, 'before-reset', signal) : undefined;
      signal.throwIfAborted();
      return await resetLayer(program, folder, base, saving);
    };
    const { stopped, result } = await this.#access.stopped(user, () => this.#reserve.whenFull(empty), signal);
    return { saved: result, stopped };
  }

  /** Of every user that has a layer. */
  async usage(signal: AbortSignal): Promise<LayerUse[]> {
    const all: LayerUse[] = [];
    for (const uid of await uidsBelow(this.#store.state)) {
      await using disk = await this.#store.disks.open(uid);
      const { folder } = disk;
      const { bytes, entries } = await layerUsage(this.#images.layerProgram, folder, signal);
      const snapshots = await listSnapshots(folder);
      const snapshotBytes = snapshots.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      all.push({ uid, layerBytes: bytes, files: entries, snapshots: snapshots.length, snapshotBytes });
    }
    return all;
  }

  async #imageOf(base: LayerBase): Promise<ResolvedImage> {
    const found = await this.#images.resolve(isVirtual(base.digest) ? base.image : `image@${base.digest}`);
    if (found === undefined) throw missing(`${base.image} (${base.digest})`);
    return found;
  }

  /** Undefined where the layer is empty: there is nothing to keep. */
  async #saving(folder: string, prefix: string, signal: AbortSignal): Promise<Saving | undefined> {
    const { entries } = await layerUsage(this.#images.layerProgram, folder, signal);
    return entries <= 1 ? undefined : { name: snapshotNameNow(prefix) };
  }
}

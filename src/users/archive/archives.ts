// Exports what is kept of a user into one archive, and makes an archive's content a user's own. An import lies aside until
// it is whole, under a name that is cleared at the daemon's start, and then takes the place of the user's folder at once.

import { rmdir, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { ImportOptions } from '../../images/import/options.ts';
import type { LeftOut } from '../../images/layers/archive.ts';
import { layerReport } from '../../images/layers/job.ts';
import type { LayerProgram } from '../../images/layers/program.ts';
import type { Engine, UserRecord } from '../../isolation/engine.ts';
import { syncFolder, writeFileAtomic } from '../../lib/atomic-file.ts';
import { DockershError } from '../../lib/errors.ts';
import { exists } from '../../lib/if-there.ts';
import type { Logger } from '../../lib/log.ts';
import { shellOperand } from '../../lib/text/shell-word.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import type { LayerAccess, Paused } from '../access.ts';
import { DiskBases } from '../disk/bases.ts';
import { copyHome, removeTree, renamed } from '../home/homes.ts';
import { findHome, placeForHome, rememberHome } from '../home/private-home.ts';
import { usageReport } from '../layer/files.ts';
import { readLayerBase } from '../layer/snapshots.ts';
import { type HeldUser, type StoppedUser, stopUser } from '../lock.ts';
import type { KeptFile } from '../own/kept-file.ts';
import { keptNotices, type Notices, noNotices } from '../own/notices.ts';
import { writeOwner } from '../owners.ts';
import { choicesFile, homeIn, noticesFile, userFolder, usersFolder } from '../places.ts';
import { emptyAside, putInPlace } from '../removal.ts';
import type { UserStore } from '../store.ts';
import { archiveOf, type TreePlace, treesOf } from './export.ts';
import { idsForImport } from './ids.ts';
import type { ArchiveManifest } from './manifest.ts';
import { type Still, standingStill } from './still.ts';
import { type OpenArchive, unpackArchive } from './unpack.ts';

/** Writes an archive to where it was asked for, until it is told to give up. Returns its bytes. */
export type WriteArchive = (stream: Readable, signal: AbortSignal | undefined) => Promise<number>;

export interface Exported {
  readonly sizeBytes: number;
  readonly leftOut: LeftOut;
}

export interface ExportHow {
  /** Stop the sandbox for it, where it would only be paused. */
  readonly stop: boolean;
  /** False: the files of a running sandbox are taken while it changes them. */
  readonly pause: boolean;
}

export interface Imported {
  readonly files: number;
  readonly bytes: number;
  /** That the layer is made on; null: there is no layer. */
  readonly base: { readonly image: string; readonly digest: string } | null;
  /** There was a sandbox. */
  readonly stopped: boolean;
  /** What was there before went to the file that was named. */
  readonly saved: boolean;
}

interface Parts {
  readonly store: UserStore;
  readonly program: LayerProgram;
  readonly access: LayerAccess;
  readonly engine: Engine;
  readonly log: Logger;
}

/** What an archive may have at least, whatever the policy says of this user. */
const leastEntries = 10_000_000;
/** Of what is free: others' sandboxes go on meanwhile. */
const shareOfFree = 0.9;

export class UserArchives {
  readonly #parts: Parts;
  readonly #bases: DiskBases;
  readonly #notices: KeptFile<Notices>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#notices = keptNotices(parts.store.state);
    this.#bases = new DiskBases(parts.store.state, parts.store.disks);
  }

  /** Throws E_NOT_FOUND where nothing is kept of the user. */
  async export(
    user: UserRecord,
    homeRoot: string | null,
    { stop, pause }: ExportHow,
    write: WriteArchive,
    options: ImportOptions,
  ): Promise<Exported & Paused & { readonly stopped: boolean }> {
    const { access, store, program, engine } = this.#parts;
    if (stop) {
      const work = () => this.#write(user, homeRoot, write, options);
      const { stopped, result } = await access.stopped(user, work, options.signal);
      return { ...result, stopped, pausedMs: null };
    }
    // No sandbox is started meanwhile, and nobody else is at the user's data; one that runs goes on.
    const whenHeld = async () => {
      await using aside = await emptyAside(program, store.state);
      const parts = { program, engine, aside: aside.path };
      const still = async (trees: readonly TreePlace[]) =>
        pause ? await standingStill(parts, user, trees, options) : { trees, pausedMs: null };
      return { ...(await this.#write(user, homeRoot, write, options, still)), stopped: false };
    };
    return await access.held(user, whenHeld, options.signal);
  }

  async #write(
    user: UserRecord,
    homeRoot: string | null,
    write: WriteArchive,
    options: ImportOptions,
    still: (trees: readonly TreePlace[]) => Promise<Still> = async (trees) => ({ trees, pausedMs: null }),
  ): Promise<Exported & Paused> {
    const { store, program } = this.#parts;
    const maps = await store.idsOf(user);
    await using disk = await store.disks.open(user.uid);
    const { trees, pausedMs } = await still(await treesOf(user, disk, homeRoot));
    const archive = archiveOf(program, user, maps, trees, this.#ownOf(user.uid), options);
    const sizeBytes = await write(archive.stream, options.signal);
    return { sizeBytes, leftOut: archive.leftOut(), pausedMs };
  }

  /**
   * `save`: what is there already goes into that first; without, it is refused. Throws E_OWNER, E_USAGE, E_ARCHIVE_REFUSED,
   * E_IMAGE_BROKEN, E_DISK_FULL; whatever it throws, nothing has changed.
   */
  async import(
    user: UserRecord,
    policy: EffectivePolicy | undefined,
    archive: OpenArchive,
    save: WriteArchive | undefined,
    options: ImportOptions,
  ): Promise<Imported> {
    const { store, access, engine } = this.#parts;
    if (user.uid === 0) throw new DockershError('E_ROOT_LOGIN');
    const homeRoot = policy?.homeRoot ?? null;
    await store.owners.require(user);
    await this.#look(user, homeRoot, save !== undefined); // before everything is read
    const ids = idsForImport(archive.manifest.ids, user, await store.idsOf(user));
    await using aside = await emptyAside(this.#parts.program, store.state);
    const limits = await this.#limitsFor(policy);
    const program = { ...this.#parts.program, limits };
    const { entries, bytes } = await unpackArchive(program, archive, aside.path, ids, options.signal);
    await rmdir(path.join(aside.path, 'unpacked'));
    await this.#requireRoom(user, policy, aside.path);
    await writeOwner(aside.path, user);
    await writeOwn(aside.path, archive.manifest.own);
    await syncFolder(aside.path);
    const base = (await readLayerBase(aside.path)) ?? null;
    const whenHeld = async (held: HeldUser) => {
      await store.owners.require(user);
      const isThere = await this.#look(user, homeRoot, save !== undefined);
      const stopped = await stopUser(held, engine);
      if (isThere && save !== undefined) await this.#write(user, homeRoot, save, options);
      options.signal?.throwIfAborted();
      await store.disks.close(stopped);
      await putInPlace(this.#parts.program, store.state, stopped, aside);
      store.owners.given(user.uid, user.name);
      await this.#settle(stopped, user, policy, options.signal);
      return { files: entries, bytes, base, stopped: stopped.wasRunning, saved: isThere };
    };
    return await access.held(user, whenHeld, options.signal);
  }

  #ownOf(uid: Uid): ArchiveManifest['own'] {
    const { store } = this.#parts;
    return { choices: store.choices.all(uid), notices: this.#notices.read(uid).ended };
  }

  /** Whether there is something of the user's. Throws E_USAGE where it must not be replaced. */
  async #look(user: UserRecord, homeRoot: string | null, mayReplace: boolean): Promise<boolean> {
    const { store } = this.#parts;
    const outside = userFolder(store.state, user.uid);
    const has = store.disks.hasImage(user.uid) || (await this.#hasParts(user, homeRoot));
    const home = await findHome({ user, outside, folder: outside, homeRoot });
    if (mayReplace && home !== undefined && path.dirname(home) !== outside) {
      throw new DockershError('E_USAGE', {
        what: `the private home of ${user.name} lies in ${home}`,
        why: 'what is not below the state is never replaced',
        hint: 'Move it away first, and do the same again.',
      });
    }
    if (!has || mayReplace) return has;
    throw new DockershError('E_USAGE', {
      what: `something is kept of ${user.name} already`,
      why: 'nothing is ever put over it',
      hint: `Say where it is to go first, as another archive: --replace FILE. Or remove it: dockershctl user forget ${shellOperand(user.name)} --force`,
    });
  }

  async #hasParts(user: UserRecord, homeRoot: string | null): Promise<boolean> {
    await using disk = await this.#parts.store.disks.open(user.uid);
    try {
      return (await treesOf(user, disk, homeRoot)).length > 0;
    } catch (error) {
      if (error instanceof DockershError && error.code === 'E_NOT_FOUND') return false;
      throw error;
    }
  }

  async #limitsFor(policy: EffectivePolicy | undefined): Promise<LayerProgram['limits']> {
    const { bavail, bsize } = await statfs(usersFolder(this.#parts.store.state));
    return {
      maxEntries: Math.max(leastEntries, policy?.inodes ?? 0),
      maxBytes: Math.floor(bavail * bsize * shareOfFree),
    };
  }

  /** A user could not log in to what is more than they may have. */
  async #requireRoom(user: UserRecord, policy: EffectivePolicy | undefined, folder: string): Promise<void> {
    const limit = policy?.diskBytes ?? null;
    if (limit === null) return;
    const measure = { what: 'measure the archive' };
    const { bytes } = await layerReport(this.#parts.program, ['usage', folder], usageReport, measure);
    if (bytes <= limit) return;
    const [has, may] = [bytes, limit].map((size) => `${Math.ceil(size / 1024 ** 2)} MiB`);
    throw new DockershError('E_DISK_FULL', {
      what: `the archive does not fit: it holds ${has}, and the policy gives ${user.name} ${may} (disk)`,
      hint: 'Raise "disk" for this user, and do the same again.',
    });
  }

  /** As a start would do it: what fails here is said by the next login, and nothing is lost. */
  async #settle(
    held: StoppedUser,
    user: UserRecord,
    policy: EffectivePolicy | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (policy === undefined) return;
    const { store, log } = this.#parts;
    try {
      await this.#moveHome(user, policy.homeRoot, signal);
      await store.prepareDisk(held, policy, policy.strict);
      await this.#bases.refresh(user.uid);
    } catch (error) {
      log.warn(
        { uid: user.uid, user: user.name, err: error },
        'what was imported is not as the policy says yet',
      );
    }
  }

  /** To where the policy keeps homes. */
  async #moveHome(user: UserRecord, homeRoot: string | null, signal: AbortSignal | undefined): Promise<void> {
    const outside = userFolder(this.#parts.store.state, user.uid);
    const from = homeIn(outside);
    if (homeRoot === null || !(await exists(from))) return;
    const owner = { user, outside, folder: outside, homeRoot };
    const aside = `${from}.new`; // cleared by whatever makes a home
    await renamed(from, aside);
    try {
      const to = await placeForHome(owner);
      if (!(await renamed(aside, to))) {
        await copyHome(this.#parts.program, aside, to, signal ?? new AbortController().signal);
        await removeTree(this.#parts.program, aside);
      }
      await rememberHome(owner);
    } catch (error) {
      await renamed(aside, from);
      throw error;
    }
  }
}

/** Choices are wishes: what the policy of this host does not let the user choose does not count. */
async function writeOwn(folder: AbsolutePath, own: ArchiveManifest['own']): Promise<void> {
  if (own?.choices !== undefined)
    await writeFileAtomic(choicesFile(folder), `${JSON.stringify(own.choices)}\n`);
  if (own === undefined || own.notices.length === 0) return;
  const notices: Notices = { ...noNotices, ended: own.notices };
  await writeFileAtomic(noticesFile(folder), `${JSON.stringify(notices)}\n`);
}

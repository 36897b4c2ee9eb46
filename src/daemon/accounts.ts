// Sets up and takes away an account's part of the state, for "dockershctl user enable" and "disable". Runs as root;
// the homes that it copies may be hostile, so that is dockersh-layer's work, which follows no link.

import { lstat, mkdir, rename, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { layerReport } from '../images/layers/job.ts';
import { type LayerProgram, removeFolder } from '../images/layers/program.ts';
import { userFolder } from '../isolation/disk/places.ts';
import type { UserDisk, UserDisks } from '../isolation/disk/user-disks.ts';
import type { Engine, UserRecord } from '../isolation/engine.ts';
import {
  findHome,
  forgetHome,
  homePlaces,
  homeProblem,
  placeForHome,
  rememberHome,
} from '../isolation/private-home.ts';
import { syncFolder } from '../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../lib/errors.ts';
import { exists } from '../lib/if-there.ts';
import { isMarkedRescue, markRescue, rescueLayer } from './rescue.ts';

export interface AccountState {
  readonly folder: boolean;
  readonly privateHome: boolean;
  /** Why the private home can't be where the policy wants it. */
  readonly homeProblem: string | null;
  readonly range: boolean;
  /** It starts from the rescue image, because an administrator wants it to. */
  readonly rescue: boolean;
}

const copyReport = z.strictObject({
  entries: z.int(),
  bytes: z.int(),
  skippedDevices: z.int(),
  skippedMounts: z.int(),
});
export type CopyReport = z.infer<typeof copyReport>;

const nothingCopied: CopyReport = { entries: 0, bytes: 0, skippedDevices: 0, skippedMounts: 0 };

export class Accounts {
  readonly #state: string;
  readonly #program: LayerProgram;
  readonly #engine: Engine;
  readonly #disks: UserDisks;

  constructor(state: string, program: LayerProgram, engine: Engine, disks: UserDisks) {
    this.#state = state;
    this.#program = program;
    this.#engine = engine;
    this.#disks = disks;
  }

  #owner(user: UserRecord, { outside, folder }: UserDisk, homeRoot: string | null) {
    return { user, outside, folder, homeRoot };
  }

  async look(user: UserRecord, homeRoot: string | null): Promise<AccountState> {
    await using disk = await this.#disks.open(user.uid);
    const owner = this.#owner(user, disk, homeRoot);
    const problem = await homeProblem(owner);
    return {
      folder: await exists(disk.outside),
      privateHome: (await findHome(owner)) !== undefined,
      homeProblem: problem === undefined ? null : `${problem.message} ${problem.hint}`,
      range: this.#engine.hasRange(user.uid),
      rescue: await isMarkedRescue(disk.outside),
    };
  }

  /** Throws E_USAGE where there is a private home already: nothing is ever put over it. */
  async prepare(
    user: UserRecord,
    homeRoot: string | null,
    files: 'fresh' | 'copy' | 'move',
    source: string | undefined,
    signal: AbortSignal,
  ): Promise<CopyReport & { readonly renamed: boolean }> {
    if (user.uid === 0) throw new DockershError('E_ROOT_LOGIN');
    const { result } = await this.#engine.withStopped(user.uid, async () => {
      await using _layer = await this.#engine.layerOf(user); // the range is on the disk when this returns
      await using disk = await this.#disks.open(user.uid);
      const owner = this.#owner(user, disk, homeRoot);
      await mkdir(disk.outside, { recursive: true, mode: 0o700 });
      if (files === 'fresh' || source === undefined) return { ...nothingCopied, renamed: false };
      if ((await findHome(owner)) !== undefined) throw alreadyThere(user);
      const home = await placeForHome(owner);
      await requireOwn(source, user);
      const moved = files === 'move' && (await renamed(source, home));
      if (moved) await syncFolder(path.dirname(home));
      const report = moved ? nothingCopied : await this.#copy(source, home, signal);
      await rememberHome(owner);
      return { ...report, renamed: moved };
    });
    return result;
  }

  /** Throws E_USAGE where the target is there already. */
  async giveBack(
    user: UserRecord,
    homeRoot: string | null,
    target: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { result } = await this.#engine.withStopped(user.uid, async () => {
      await using disk = await this.#disks.open(user.uid);
      const owner = this.#owner(user, disk, homeRoot);
      const home = await findHome(owner);
      if (home === undefined)
        throw new DockershError('E_NOT_FOUND', { what: `a private home of ${user.name}` });
      if (await exists(target)) {
        throw new DockershError('E_USAGE', {
          what: target,
          why: 'it is there already',
          hint: 'Move it away.',
        });
      }
      // First: a home that is not where it is said to be would be missed. One that nothing is said of is found.
      await forgetHome(owner.outside);
      await this.#disks.leave(user.uid, home);
      if (await renamed(home, target)) {
        await syncFolder(path.dirname(target));
        return true;
      }
      await this.#copy(home, target, signal);
      await rememberHome(owner);
      return false;
    });
    return result;
  }

  /** Starts the sandbox from the rescue image from now on, or from its own again. True: it was stopped for that. */
  async setRescue({ uid }: UserRecord, on: boolean): Promise<boolean> {
    const folder = userFolder(this.#state, uid);
    const { stopped } = await this.#engine.withStopped(uid, async () => {
      await markRescue(folder, on);
      await using disk = await this.#disks.open(uid);
      if (!on) await this.#remove(rescueLayer(disk.folder));
    });
    return stopped;
  }

  async discard(
    user: UserRecord,
    homeRoot: string | null,
    what: { home: boolean; folder: boolean; range: boolean },
  ): Promise<void> {
    await this.#engine.withStopped(user.uid, async () => {
      const folder = userFolder(this.#state, user.uid);
      await this.#discardHome(user, homeRoot, what.home);
      if (what.home) await forgetHome(folder);
      if (what.folder) {
        await this.#disks.close(user.uid);
        await this.#remove(folder);
      }
      if (what.range) await this.#engine.releaseRange(user.uid);
    });
  }

  async #discardHome(user: UserRecord, homeRoot: string | null, whole: boolean): Promise<void> {
    await using disk = await this.#disks.open(user.uid);
    for (const place of await homePlaces(this.#owner(user, disk, homeRoot))) {
      const names = whole ? ['home.new', 'home'] : ['home.new'];
      for (const name of names) await this.#remove(path.join(place, name));
      if (whole && place !== disk.folder) await rmdir(place).catch(tolerateAbsence);
    }
  }

  async #remove(tree: string): Promise<void> {
    if (await exists(tree)) await removeFolder(this.#program, tree);
  }

  /** Whole or not at all: what was half copied when the power went is removed by the next copy. */
  async #copy(from: string, to: string, signal: AbortSignal): Promise<CopyReport> {
    const half = `${to}.new`;
    await this.#remove(half);
    const job = ['copy', '--one-file-system', 'yes', from, half];
    const options = { what: `copy ${from}`, signal };
    let report: CopyReport;
    try {
      report = await layerReport(this.#program, job, copyReport, options);
    } catch (error) {
      await this.#remove(half);
      throw error;
    }
    await rename(half, to);
    await syncFolder(path.dirname(to));
    return report;
  }
}

/** False: it lies on another file system. */
async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EXDEV')) return false;
    throw error;
  }
}

async function requireOwn(source: string, user: UserRecord): Promise<void> {
  const info = await lstat(source);
  if (info.isDirectory() && info.uid === user.uid) return;
  throw new DockershError('E_USAGE', { what: source, why: `it is no folder of ${user.name}'s` });
}

function alreadyThere(user: UserRecord): DockershError {
  return new DockershError('E_USAGE', {
    what: `${user.name} has a private home already`,
    why: 'files would be put over what is there',
    hint: 'Keep it (--files keep).',
  });
}

/** ENOTEMPTY: something that is not ours lies there as well. */
function tolerateAbsence(error: unknown): void {
  if (!hasErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
}

// Sets up and takes away an account's part of the state, for "dockershctl user enable" and "disable". Runs as root;
// the homes that it copies may be hostile, so that is dockersh-layer's work, which follows no link.

import { lstat } from 'node:fs/promises';
import path from 'node:path';
import type { LayerProgram } from '../images/layers/program.ts';
import type { UserRecord } from '../isolation/engine.ts';
import type { NetworkState } from '../isolation/network/state.ts';
import { syncFolder } from '../lib/atomic-file.ts';
import { DockershError } from '../lib/errors.ts';
import { exists } from '../lib/if-there.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { LayerAccess } from './access.ts';
import type { UserDisk } from './disk/user-disks.ts';
import { uidsBelow } from './folders.ts';
import { type Forgotten, forgetUser } from './forget.ts';
import {
  type CopyReport,
  copyHome,
  nothingCopied,
  removeEmpty,
  removeTree,
  renamed,
  takeHome,
} from './home/homes.ts';
import {
  findHome,
  forgetHome,
  homePlaces,
  homeProblem,
  placeForHome,
  rememberHome,
} from './home/private-home.ts';
import type { StoppedUser } from './lock.ts';
import type { Account } from './owners.ts';
import { layerFolder, userFolder } from './places.ts';
import { removeUserFolder } from './removal.ts';
import { isMarkedRescue, markRescue } from './rescue.ts';
import type { UserStore } from './store.ts';

export interface AccountState {
  readonly folder: boolean;
  readonly privateHome: boolean;
  /** Why the private home can't be where the policy wants it. */
  readonly homeProblem: string | null;
  readonly range: boolean;
  /** It starts from the rescue image, because an administrator wants it to. */
  readonly rescue: boolean;
}

/** What lets the user in by ssh. */
export interface KeysKept {
  forget(uid: Uid): Promise<void>;
}

export class Accounts {
  readonly #store: UserStore;
  readonly #program: LayerProgram;
  readonly #access: LayerAccess;
  readonly #addresses: Pick<NetworkState, 'release'>;
  readonly #keys: KeysKept;

  constructor(
    store: UserStore,
    program: LayerProgram,
    access: LayerAccess,
    addresses: Pick<NetworkState, 'release'>,
    keys: KeysKept,
  ) {
    this.#store = store;
    this.#program = program;
    this.#access = access;
    this.#addresses = addresses;
    this.#keys = keys;
  }

  #owner(user: Account, { outside, folder }: UserDisk, homeRoot: string | null) {
    return { user, outside, folder, homeRoot };
  }

  /** Of every user who has a folder. */
  async uids(): Promise<Uid[]> {
    return await uidsBelow(this.#store.state);
  }

  async look(user: UserRecord, homeRoot: string | null): Promise<AccountState> {
    await using disk = await this.#store.disks.open(user.uid);
    const owner = this.#owner(user, disk, homeRoot);
    const problem = await homeProblem(owner);
    return {
      folder: await exists(disk.outside),
      privateHome: (await findHome(owner)) !== undefined,
      homeProblem: problem === undefined ? null : `${problem.message} ${problem.hint}`,
      range: this.#store.hasRange(user.uid),
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
    const make = async () => {
      await using _layer = await this.#store.layerOf(user); // the range is on the disk when this returns
      await using disk = await this.#store.disks.open(user.uid);
      const owner = this.#owner(user, disk, homeRoot);
      await this.#store.owners.claim(user);
      if (files === 'fresh' || source === undefined) return { ...nothingCopied, renamed: false };
      if ((await findHome(owner)) !== undefined) throw alreadyThere(user);
      const home = await placeForHome(owner);
      await requireOwn(source, user);
      const moved = files === 'move' && (await renamed(source, home));
      if (moved) await syncFolder(path.dirname(home));
      const report = moved ? nothingCopied : await copyHome(this.#program, source, home, signal);
      await rememberHome(owner);
      return { ...report, renamed: moved };
    };
    const { result } = await this.#access.stopped(user, make, signal);
    return result;
  }

  /** Throws E_USAGE where the target is there already. */
  async giveBack(
    user: UserRecord,
    homeRoot: string | null,
    target: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const parts = { program: this.#program, disks: this.#store.disks };
    const take = async () => await takeHome(parts, { user, homeRoot }, target, signal);
    const { result } = await this.#access.stopped(user, take, signal);
    return result;
  }

  /** Starts the sandbox from the rescue image from now on, or from its own again. True: it was stopped for that. */
  async setRescue(user: UserRecord, on: boolean): Promise<boolean> {
    const { uid } = user;
    const folder = userFolder(this.#store.state, uid);
    const { stopped } = await this.#access.stopped({ uid }, async () => {
      if (on) await this.#store.owners.claim(user);
      await markRescue(folder, on);
      await using disk = await this.#store.disks.open(uid);
      if (!on) await removeTree(this.#program, layerFolder(disk.folder, 'rescue'));
    });
    return stopped;
  }

  async discard(
    user: UserRecord,
    homeRoot: string | null,
    what: { home: boolean; folder: boolean; range: boolean },
  ): Promise<void> {
    await this.#access.stopped(user, async (held) => {
      const folder = userFolder(this.#store.state, user.uid);
      await this.#discardHome(user, homeRoot, what.home);
      if (what.home) await forgetHome(folder);
      if (what.folder) {
        await this.#store.disks.close(held);
        await removeUserFolder(this.#program, this.#store.state, held);
        this.#store.owners.removed(user.uid);
        await this.#keys.forget(user.uid);
      }
      if (what.range) await this.#release(held);
    });
  }

  /** The folder belongs to an account of another name. True: its sandbox was stopped for that. */
  async rename(uid: Uid, name: string): Promise<boolean> {
    const { stopped } = await this.#access.stopped(
      { uid },
      async () => await this.#store.owners.give(uid, name),
    );
    return stopped;
  }

  /** As forgetUser() has it, with the sandbox stopped. */
  async forget(
    user: Account,
    keep: string | undefined,
    signal: AbortSignal,
  ): Promise<Forgotten & { readonly stopped: boolean }> {
    const [state, program, disks] = [this.#store.state, this.#program, this.#store.disks];
    const forgetAll = async (held: StoppedUser) => {
      await this.#keys.forget(user.uid); // first: whatever fails below, nobody gets in by them
      const forgotten = await forgetUser({ state, program, disks }, held, user, keep, signal);
      this.#store.owners.removed(user.uid);
      if (keep === undefined) await this.#release(held);
      else await this.#addresses.release(user.uid);
      return forgotten;
    };
    const { stopped, result } = await this.#access.stopped(user, forgetAll, signal);
    return { ...result, stopped };
  }

  async #release(held: StoppedUser): Promise<void> {
    await this.#store.releaseRange(held);
    await this.#addresses.release(held.uid);
  }

  async #discardHome(user: UserRecord, homeRoot: string | null, whole: boolean): Promise<void> {
    await using disk = await this.#store.disks.open(user.uid);
    for (const place of await homePlaces(this.#owner(user, disk, homeRoot))) {
      const names = whole ? ['home.new', 'home'] : ['home.new'];
      for (const name of names) await removeTree(this.#program, path.join(place, name));
      if (whole && place !== disk.folder) await removeEmpty(place);
    }
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

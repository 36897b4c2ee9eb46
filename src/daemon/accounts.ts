// An account's part of the state, as "dockershctl user enable" and "disable" need it. Runs as root; the homes that
// it copies may be hostile, so that is dockersh-layer's work, which follows no link.

import { lstat, mkdir, open, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { type LayerProgram, layerFailure, removeFolder, runLayerProgram } from '../images/layer-program.ts';
import type { Engine, UserRecord } from '../isolation/engine.ts';
import { userFolder } from '../isolation/user-folder.ts';
import { DockershError, hasErrno } from '../lib/errors.ts';
import { isMarkedRescue, markRescue, rescueLayer } from './rescue.ts';

export interface AccountState {
  readonly folder: boolean;
  readonly privateHome: boolean;
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

  constructor(state: string, program: LayerProgram, engine: Engine) {
    this.#state = state;
    this.#program = program;
    this.#engine = engine;
  }

  async look({ uid }: UserRecord): Promise<AccountState> {
    const folder = userFolder(this.#state, uid);
    return {
      folder: await exists(folder),
      privateHome: await exists(path.join(folder, 'home')),
      range: this.#engine.hasRange(uid),
      rescue: await isMarkedRescue(folder),
    };
  }

  /** Throws E_USAGE where there is a private home already: nothing is ever put over it. */
  async prepare(
    user: UserRecord,
    files: 'fresh' | 'copy' | 'move',
    source: string | undefined,
    signal: AbortSignal,
  ): Promise<CopyReport & { readonly renamed: boolean }> {
    if (user.uid === 0) throw new DockershError('E_ROOT_LOGIN');
    const { result } = await this.#engine.withStopped(user.uid, async () => {
      await this.#engine.layerOf(user); // the range is on the disk when this returns
      const folder = userFolder(this.#state, user.uid);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      if (files === 'fresh' || source === undefined) return { ...nothingCopied, renamed: false };
      const home = path.join(folder, 'home');
      if (await exists(home)) throw alreadyThere(user);
      await requireOwn(source, user);
      if (files === 'move' && (await renamed(source, home))) {
        await syncFolder(folder);
        return { ...nothingCopied, renamed: true };
      }
      return { ...(await this.#copy(source, home, signal)), renamed: false };
    });
    return result;
  }

  /** Throws E_USAGE where the target is there already. */
  async giveBack(user: UserRecord, target: string, signal: AbortSignal): Promise<boolean> {
    const { result } = await this.#engine.withStopped(user.uid, async () => {
      const home = path.join(userFolder(this.#state, user.uid), 'home');
      if (await exists(target)) {
        throw new DockershError('E_USAGE', {
          what: target,
          why: 'it is there already',
          hint: 'Move it away.',
        });
      }
      if (await renamed(home, target)) {
        await syncFolder(path.dirname(target));
        return true;
      }
      await this.#copy(home, target, signal);
      return false;
    });
    return result;
  }

  /** Starts the sandbox from the rescue image from now on, or from its own again. True: it was stopped for that. */
  async setRescue({ uid }: UserRecord, on: boolean): Promise<boolean> {
    const folder = userFolder(this.#state, uid);
    const { stopped } = await this.#engine.withStopped(uid, async () => {
      await markRescue(folder, on);
      if (!on && (await exists(rescueLayer(folder)))) await removeFolder(this.#program, rescueLayer(folder));
    });
    return stopped;
  }

  async discard(user: UserRecord, what: { home: boolean; folder: boolean; range: boolean }): Promise<void> {
    await this.#engine.withStopped(user.uid, async () => {
      const folder = userFolder(this.#state, user.uid);
      const doomed = [
        path.join(folder, 'home.new'),
        ...(what.home ? [path.join(folder, 'home')] : []),
        ...(what.folder ? [folder] : []),
      ];
      for (const tree of doomed) if (await exists(tree)) await removeFolder(this.#program, tree);
      if (what.range) await this.#engine.releaseRange(user.uid);
    });
  }

  /** Whole or not at all: what was half copied when the power went is removed by the next copy. */
  async #copy(from: string, to: string, signal: AbortSignal): Promise<CopyReport> {
    const half = `${to}.new`;
    if (await exists(half)) await removeFolder(this.#program, half);
    const job = ['copy', '--one-file-system', 'yes', from, half];
    const { child, ended } = runLayerProgram(this.#program, job, signal);
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
    const exit = await ended;
    if (exit.status !== 0) {
      if (await exists(half)) await removeFolder(this.#program, half);
      throw layerFailure(`copy ${from}`, exit);
    }
    await rename(half, to);
    await syncFolder(path.dirname(to));
    return copyReport.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
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

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

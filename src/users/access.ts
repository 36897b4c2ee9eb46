// Gives operations on a user's layer their turn, one at a time for each user (src/users/lock.ts). Where they must be those
// of one moment the sandbox stands still for a moment; where somebody else changes them it has been stopped, and waits with
// its next start.

import { stat } from 'node:fs/promises';
import type { ImportOptions } from '../images/import/options.ts';
import type { LayerProgram } from '../images/layers/program.ts';
import type { Engine, UserRecord } from '../isolation/engine.ts';
import { DockershError } from '../lib/errors.ts';
import { shellOperand } from '../lib/text/shell-word.ts';
import { followLayer } from './layer/follow.ts';
import { type LayerBase, readLayerBase } from './layer/snapshots.ts';
import { type HeldUser, type StoppedUser, stopUser } from './lock.ts';
import type { UserLayer, UserStore } from './store.ts';

/** A layer that something has been done with. Valid until disposed. */
export interface BegunLayer extends UserLayer {
  /** What it is made on now: a running sandbox's own image, whatever the next start takes. */
  readonly base: LayerBase;
  readonly isRunning: boolean;
}

/** How long a running sandbox stood still; null: it did not. */
export interface Paused {
  readonly pausedMs: number | null;
}

/** What a copy of a layer holds. */
export interface Copied extends Paused {
  readonly bytes: number;
  readonly entries: number;
}

export interface CopyOptions extends ImportOptions {
  /** False: the files of a running sandbox are taken while it changes them. */
  readonly pause: boolean;
  readonly forImage: boolean;
  readonly program: LayerProgram;
}

/** Below what a login waits for (stopPatienceMs in src/isolation/sandbox/sandboxes.ts), and what people take for a hiccup. */
export const mostPauseMs = 20_000;

export class LayerAccess {
  readonly #engine: Engine;
  readonly #store: UserStore;

  constructor(engine: Engine, store: UserStore) {
    this.#engine = engine;
    this.#store = store;
  }

  /** Throws E_NOT_FOUND where the user has not logged in yet. */
  async begun(user: UserRecord): Promise<BegunLayer> {
    await using stack = new AsyncDisposableStack();
    const layer = stack.use(await this.#store.layerOf(user));
    const base = await readLayerBase(layer.folder);
    if (base === undefined) {
      throw new DockershError('E_NOT_FOUND', {
        what: `a layer of ${user.name}`,
        why: 'this user has not logged in yet',
      });
    }
    const [running] = await this.#engine.list(user.uid);
    const inUse = running === undefined ? base : { image: running.image, digest: running.imageDigest };
    const held = stack.move();
    return {
      ...layer,
      base: inUse,
      isRunning: running !== undefined,
      [Symbol.asyncDispose]: async () => await held.disposeAsync(),
    };
  }

  /** When nobody else is at it; the sandbox runs on. Throws the reason where `signal` is aborted before. */
  async held<T>(
    { uid }: Pick<UserRecord, 'uid'>,
    work: (held: HeldUser) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    using held = await this.#store.locks.lock(uid, undefined, signal);
    signal?.throwIfAborted();
    return await work(held);
  }

  /**
   * Copies the user's layer as it is at one moment to `to`, which does not exist yet: first while the sandbox runs on and
   * others may be at the user's data, then, in turn and with it paused, what has changed meanwhile. Throws E_BUSY where
   * that takes too long, or where it is another layer by then.
   */
  async copy(user: UserRecord, begun: BegunLayer, to: string, options: CopyOptions): Promise<Copied> {
    const { signal, forImage, program } = options;
    options.onProgress?.({ step: 'reading files' });
    const before = await stat(begun.upper);
    await using copy = await followLayer(program, begun.upper, to, { forImage, signal });
    const take = async () => {
      await using now = await this.begun(user);
      const { dev, ino } = await stat(now.upper);
      const isSame = dev === before.dev && ino === before.ino && now.base.digest === begun.base.digest;
      if (!isSame) throw replacedMeanwhile(user);
      return await this.#paused(user, options, (stop) => copy.take(stop));
    };
    const taken = await this.held(user, take, signal);
    await copy.done();
    return taken;
  }

  /** With the sandbox standing still where it runs, and none started meanwhile. */
  async #paused<T extends object>(
    user: UserRecord,
    { pause: wanted, signal, onProgress }: CopyOptions,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T & Paused> {
    const outer = signal ?? new AbortController().signal;
    if (!wanted) return { ...(await work(outer)), pausedMs: null };
    await using pause = await this.#engine.pause(user, mostPauseMs);
    if (pause.stoodStill)
      onProgress?.({ step: `reading what has changed meanwhile, ${user.name}'s sandbox stands still` });
    try {
      const result = await work(AbortSignal.any([outer, pause.signal]));
      pause.end();
      return { ...result, pausedMs: pause.stoodStill ? pause.durationMs : null };
    } catch (error) {
      pause.signal.throwIfAborted();
      throw error;
    }
  }

  /** With the sandbox stopped, and none started meanwhile: logins wait. */
  async stopped<T>(
    user: Pick<UserRecord, 'uid'>,
    work: (user: StoppedUser) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<{ readonly stopped: boolean; readonly result: T }> {
    const whenHeld = async (held: HeldUser) => {
      const stopped = await stopUser(held, this.#engine);
      signal?.throwIfAborted();
      return { stopped: stopped.wasRunning, result: await work(stopped) };
    };
    return await this.held(user, whenHeld, signal);
  }
}

function replacedMeanwhile({ name }: UserRecord): DockershError {
  return new DockershError('E_BUSY', {
    what: `the layer of ${name}`,
    why: 'it was put on another image, reset or rolled back while it was copied',
    hint: `Try again. To keep others from it meanwhile, stop the sandbox first (dockershctl stop ${shellOperand(name)}).`,
  });
}

// Gives operations on a user's layer their turn, one at a time for each user (src/users/lock.ts). Where its files must not
// change meanwhile the sandbox stands still; where somebody else changes them it has been stopped, and waits with its next
// start.

import type { ImportOptions } from '../images/import/options.ts';
import type { Engine, UserRecord } from '../isolation/engine.ts';
import { DockershError } from '../lib/errors.ts';
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

export interface StillOptions extends ImportOptions {
  /** False: the files of a running sandbox are taken while it changes them. */
  readonly pause: boolean;
  /** Whoever waits may go on as soon as all files have been read. */
  readonly readsOnly?: boolean;
}

/** Below what a login waits for (stopPatienceMs in src/isolation/sandbox/sandboxes.ts), and what people take for a hiccup. */
const mostPauseMs = 20_000;

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
    const running = (await this.#engine.list()).find(({ uid }) => uid === user.uid);
    const inUse = running === undefined ? base : { image: running.image, digest: running.imageDigest };
    const held = stack.move();
    return {
      ...layer,
      base: inUse,
      isRunning: running !== undefined,
      [Symbol.asyncDispose]: async () => await held.disposeAsync(),
    };
  }

  /** When nobody else is at it; the sandbox runs on. */
  async held<T>({ uid }: Pick<UserRecord, 'uid'>, work: (held: HeldUser) => Promise<T>): Promise<T> {
    using held = await this.#store.locks.lock(uid);
    return await work(held);
  }

  /** In turn, with the sandbox paused where it runs, until `onTaken` is called, and none started meanwhile. */
  async still<T extends object>(
    user: UserRecord,
    options: StillOptions,
    work: (still: { readonly signal: AbortSignal; readonly onTaken?: () => void }) => Promise<T>,
  ): Promise<T & Paused> {
    return await this.held(user, async (held) => await this.#paused(user, held, options, work));
  }

  async #paused<T extends object>(
    user: UserRecord,
    held: HeldUser,
    { pause: wanted, readsOnly = false, signal, onProgress }: StillOptions,
    work: (still: { readonly signal: AbortSignal; readonly onTaken?: () => void }) => Promise<T>,
  ): Promise<T & Paused> {
    const outer = signal ?? new AbortController().signal;
    const letGo = (): void => {
      if (readsOnly) held[Symbol.dispose]();
    };
    if (!wanted) return { ...(await work({ signal: outer, onTaken: letGo })), pausedMs: null };
    await using pause = await this.#engine.pause(user, mostPauseMs);
    if (pause.stoodStill) onProgress?.({ step: `reading files, ${user.name}'s sandbox stands still` });
    try {
      const result = await work({
        signal: AbortSignal.any([outer, pause.signal]),
        onTaken: () => {
          pause.end();
          letGo();
        },
      });
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
  ): Promise<{ readonly stopped: boolean; readonly result: T }> {
    return await this.held(user, async (held) => {
      const stopped = await stopUser(held, this.#engine);
      return { stopped: stopped.wasRunning, result: await work(stopped) };
    });
  }
}

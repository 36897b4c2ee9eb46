// Serialises operations on a user's layer, one at a time for each user. An operation that reads files pauses the
// sandbox, so that they do not change meanwhile; one that changes them stops it, and its next start waits.
//
// The sandbox is stopped first, and then comes the turn: a start waits for its turn as well (user-image.ts).

import type { ImportOptions } from '../images/import/options.ts';
import { type LayerBase, readLayerBase } from '../images/user-layer.ts';
import type { Engine, UserLayer, UserRecord } from '../isolation/engine.ts';
import { Serial } from '../lib/async/serial.ts';
import { DockershError } from '../lib/errors.ts';

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
}

/** Below what a login waits for (stopPatienceMs in sandboxes.ts), and what people take for a hiccup. */
const mostPauseMs = 20_000;

export class LayerAccess {
  readonly #engine: Engine;
  readonly #turns = new Map<number, Serial>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Throws E_NOT_FOUND where the user has not logged in yet. */
  async begun(user: UserRecord): Promise<BegunLayer> {
    await using stack = new AsyncDisposableStack();
    const layer = stack.use(await this.#engine.layerOf(user));
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

  /** When nobody else is at it. */
  turn<T>({ uid }: UserRecord, work: () => Promise<T>): Promise<T> {
    const turns = this.#turns.get(uid) ?? new Serial();
    this.#turns.set(uid, turns);
    return turns.take(work);
  }

  /** In turn, with the sandbox paused where it runs, until `onTaken` is called, and none started meanwhile. */
  async still<T extends object>(
    user: UserRecord,
    options: StillOptions,
    work: (still: { readonly signal: AbortSignal; readonly onTaken?: () => void }) => Promise<T>,
  ): Promise<T & Paused> {
    return await this.turn(user, async () => await this.#paused(user, options, work));
  }

  async #paused<T extends object>(
    user: UserRecord,
    { pause: wanted, signal, onProgress }: StillOptions,
    work: (still: { readonly signal: AbortSignal; readonly onTaken?: () => void }) => Promise<T>,
  ): Promise<T & Paused> {
    const outer = signal ?? new AbortController().signal;
    if (!wanted) return { ...(await work({ signal: outer })), pausedMs: null };
    await using pause = await this.#engine.pause(user, mostPauseMs);
    if (pause.stoodStill) onProgress?.({ step: `reading files, ${user.name}'s sandbox stands still` });
    try {
      const result = await work({
        signal: AbortSignal.any([outer, pause.signal]),
        onTaken: () => pause.end(),
      });
      return { ...result, pausedMs: pause.stoodStill ? pause.durationMs : null };
    } catch (error) {
      pause.signal.throwIfAborted();
      throw error;
    }
  }

  /** In turn, with the sandbox stopped. */
  async alone<T extends object>(
    user: UserRecord,
    work: () => Promise<T>,
  ): Promise<T & { readonly stopped: boolean }> {
    const { stopped, result } = await this.#engine.withStopped(user.uid, () => this.turn(user, work));
    return { ...result, stopped };
  }
}

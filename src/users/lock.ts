// Keeps everybody but one from a user's data. The order in which a sandbox and its user's data are taken hold of is one of
// types: whoever wants the sandbox stopped shows a HeldUser, whoever moves or removes what is kept a StoppedUser, and the
// one is made of the other alone.
//
// A start holds the lock from before it looks at anything until its supervisor has been asked to build, so nobody who
// holds it meets a sandbox half way. A sandbox that runs holds nothing: logins to it never wait here.

import { abortable } from '../lib/async/abortable.ts';
import { within } from '../lib/async/within.ts';
import { DockershError } from '../lib/errors.ts';
import type { Uid } from '../lib/values/uid.ts';

const proof: unique symbol = Symbol('made by this file');

/** Nobody else is at the user's data until this is disposed. */
export class HeldUser implements Disposable {
  readonly uid: Uid;
  readonly #release: () => void;
  #isHeld = true;

  constructor(_: typeof proof, uid: Uid, release: () => void) {
    this.uid = uid;
    this.#release = release;
  }

  /** Throws where it has been let go of. */
  requireHeld(): void {
    if (!this.#isHeld)
      throw new DockershError('E_INTERNAL', { what: `the data of uid ${this.uid} is not held` });
  }

  [Symbol.dispose](): void {
    this.#isHeld = false;
    this.#release();
  }
}

/** Beyond that, nothing of the user's runs, and nothing is started. */
export class StoppedUser {
  readonly #held: HeldUser;
  /** There was a sandbox. */
  readonly wasRunning: boolean;

  constructor(_: typeof proof, held: HeldUser, wasRunning: boolean) {
    this.#held = held;
    this.wasRunning = wasRunning;
  }

  get uid(): Uid {
    this.#held.requireHeld();
    return this.#held.uid;
  }
}

/** Ends a sandbox that has been asked for; false: there is none. */
export interface Stopping {
  stopStarted(uid: Uid): Promise<boolean>;
}

export async function stopUser(held: HeldUser, engine: Stopping): Promise<StoppedUser> {
  held.requireHeld();
  return new StoppedUser(proof, held, await engine.stopStarted(held.uid));
}

export class UserLocks {
  readonly #last = new Map<Uid, Promise<void>>();

  /** In the order of asking. Throws E_STOPPING where others take longer than `patienceMs`, and the reason of an abort. */
  async lock(uid: Uid, patienceMs?: number, signal?: AbortSignal): Promise<HeldUser> {
    const before = this.#last.get(uid);
    const { promise, resolve } = Promise.withResolvers<void>();
    const mine = before === undefined ? promise : before.then(() => promise);
    this.#last.set(uid, mine);
    void mine.then(() => {
      if (this.#last.get(uid) === mine) this.#last.delete(uid);
    });
    try {
      const turn = before === undefined || patienceMs === undefined ? before : within(before, patienceMs);
      await abortable(turn ?? Promise.resolve(), signal);
    } catch (error) {
      resolve(); // whoever is next waits for those before alone
      throw error;
    }
    return new HeldUser(proof, uid, resolve);
  }
}

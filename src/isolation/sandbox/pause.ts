// Pauses a user's sandbox, or keeps it from starting, while somebody reads its files. The supervisor stops the
// processes and keeps the time (native/supervisor/control/pause.h); this keeps those who wait for the end of the pause.

import { within } from '../../lib/async/within.ts';
import { DockershError } from '../../lib/errors.ts';
import { shellOperand } from '../../lib/text/shell-word.ts';
import type { Uid } from '../../lib/values/uid.ts';

/** Of one user. Ends by itself when it takes too long. */
export interface Pause extends AsyncDisposable {
  /** False: there was no sandbox that runs. None starts until the end. */
  readonly stoodStill: boolean;
  /** Aborts, with what to tell, when the sandbox ran on before end() was called. */
  readonly signal: AbortSignal;
  /** How long the sandbox stood still, or has until now. */
  readonly durationMs: number;
  end(): void;
}

/** Whose sandboxes are paused. */
export class Pauses {
  readonly #ends = new Map<Uid, Promise<void>>();

  /** Resolves at the end of the pause; undefined where there is none. */
  ended(uid: Uid): Promise<void> | undefined {
    return this.#ends.get(uid);
  }

  /** Waits until there is none; throws E_STOPPING at `deadline` (Date.now). */
  async over(uid: Uid, deadline: number): Promise<void> {
    // One may have begun while another was waited for.
    for (let end = this.#ends.get(uid); end !== undefined; end = this.#ends.get(uid))
      await within(end, deadline - Date.now());
  }

  /** Callers let one pause a user be at a time. */
  begin(uid: Uid): Disposable {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ends.set(uid, promise);
    return {
      [Symbol.dispose]: () => {
        if (this.#ends.get(uid) === promise) this.#ends.delete(uid);
        resolve();
      },
    };
  }
}

/** What a pause needs of a sandbox. */
export interface Pausable {
  /** Undefined: it stands still; otherwise why it could not be paused. `ranOn`: it runs again. */
  pause(limitMs: number, ranOn: () => void): Promise<string | undefined>;
  resume(): void;
}

/** Takes `gate`, which is disposed with the pause. Throws E_BUSY where the sandbox cannot be paused. */
export async function pauseOf(
  user: string,
  sandbox: Pausable | undefined,
  limitMs: number,
  gate: Disposable,
): Promise<Pause> {
  const early = new AbortController();
  let startMs = performance.now();
  let endMs: number | undefined;
  const finish = (): void => {
    endMs ??= performance.now();
    gate[Symbol.dispose]();
  };
  const ranOn = (): void => {
    if (endMs === undefined) early.abort(tooLong(user, limitMs));
    finish();
  };
  const problem = await sandbox?.pause(limitMs, ranOn);
  if (problem !== undefined) {
    sandbox?.resume(); // it may yet do what was asked, too late
    finish();
    throw new DockershError('E_BUSY', {
      what: `the sandbox of ${user} cannot be paused`,
      why: problem,
      hint: `Try again, stop it first (dockershctl stop ${shellOperand(user)}), or take its files as they are (--no-pause).`,
    });
  }
  const end = (): void => {
    if (endMs === undefined) sandbox?.resume();
    finish();
  };
  startMs = performance.now();
  return {
    stoodStill: sandbox !== undefined,
    signal: early.signal,
    get durationMs() {
      return sandbox === undefined ? 0 : Math.round((endMs ?? performance.now()) - startMs);
    },
    end,
    [Symbol.asyncDispose]: async () => end(),
  };
}

function tooLong(user: string, limitMs: number): DockershError {
  return new DockershError('E_BUSY', {
    what: `the files of ${user}'s sandbox`,
    why: `they could not all be read in the ${limitMs / 1000} s that it may be paused; it runs again`,
    hint: `Stop it first (dockershctl stop ${shellOperand(user)}), or take its files while it runs (--no-pause).`,
  });
}

// Keeps a user's sandbox from being started while an operation that changes the layer must have it to itself.

import { DockershError } from '../../lib/errors.ts';

export class Holds {
  readonly #last = new Map<number, Promise<void>>();

  /** Resolves when nobody holds it any more; undefined when nobody does. */
  ended(uid: number): Promise<void> | undefined {
    return this.#last.get(uid);
  }

  /** Waits for the holders before. */
  async take(uid: number): Promise<Disposable> {
    const before = this.#last.get(uid);
    const { promise, resolve } = Promise.withResolvers<void>();
    const mine = before === undefined ? promise : before.then(() => promise);
    this.#last.set(uid, mine);
    await before;
    return {
      [Symbol.dispose]: () => {
        if (this.#last.get(uid) === mine) this.#last.delete(uid);
        resolve();
      },
    };
  }
}

/** Everything that keeps users' sandboxes from being started. */
interface Gate {
  ended(uid: number): Promise<void> | undefined;
}

/** Waits until none of them keeps the user's sandbox, at one and the same time; throws E_STOPPING at `deadline` (Date.now). */
export async function allEnded(uid: number, gates: readonly Gate[], deadline: number): Promise<void> {
  const next = (): Promise<void> | undefined =>
    gates.map((gate) => gate.ended(uid)).find((end) => end !== undefined);
  // One may have begun while another was waited for.
  for (let end = next(); end !== undefined; end = next()) await within(end, deadline - Date.now());
}

/** Waits for `promise`, but no longer; throws E_STOPPING then. */
export async function within(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DockershError('E_STOPPING')), Math.max(0, ms));
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

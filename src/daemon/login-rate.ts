// How often a user may log in (login_rate): a bucket that a login takes one from, and that fills up evenly. Kept
// in memory only: a daemon that starts anew owes nobody anything.

import type { Rate } from '../policy/values-session.ts';

interface Bucket {
  left: number;
  atMs: number;
}

/** Buckets that are looked through at once for full ones; those say nothing. */
const mostBuckets = 10_000;

export class LoginRates {
  readonly #buckets = new Map<number, Bucket>();

  /** Whether another login fits; it counts then. `nowMs`: of a clock that never jumps. */
  take(uid: number, { count, ms }: Rate, nowMs = performance.now()): boolean {
    const known = this.#buckets.get(uid) ?? { left: count, atMs: nowMs };
    const left = Math.min(count, known.left + ((nowMs - known.atMs) * count) / ms);
    const fits = left >= 1;
    this.#buckets.set(uid, { left: fits ? left - 1 : left, atMs: nowMs });
    if (this.#buckets.size > mostBuckets) this.#forget(nowMs);
    return fits;
  }

  /** Nobody's time is longer than a day (values.ts). */
  #forget(nowMs: number): void {
    for (const [uid, { atMs }] of this.#buckets) if (nowMs - atMs > 86_400_000) this.#buckets.delete(uid);
  }
}

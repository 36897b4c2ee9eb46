// Per-uid rate limits, for logins (login_rate) and other events: a bucket from which each event takes one token, and
// which fills up evenly. In memory only: a daemon that starts anew begins with full buckets.

import type { Rate } from '../../policy/values/session.ts';

interface Bucket {
  left: number;
  atMs: number;
}

/** Of more, those are forgotten that nobody has asked for the longest. */
const mostBuckets = 10_000;

export class LoginRates<Key = number> {
  readonly #buckets = new Map<Key, Bucket>();

  /** Whether another login fits; it counts then. `nowMs`: of a clock that never jumps. */
  take(whose: Key, { count, ms }: Rate, nowMs = performance.now()): boolean {
    const known = this.#buckets.get(whose) ?? { left: count, atMs: nowMs };
    const left = Math.min(count, known.left + ((nowMs - known.atMs) * count) / ms);
    const fits = left >= 1;
    this.#buckets.delete(whose); // the newest is the last
    this.#buckets.set(whose, { left: fits ? left - 1 : left, atMs: nowMs });
    const oldest = this.#buckets.keys().next().value;
    if (this.#buckets.size > mostBuckets && oldest !== undefined) this.#buckets.delete(oldest);
    return fits;
  }
}

// Limits how many lines of the log one user may cause: so many for each kind of event, and then a count, once a minute,
// of those that were left out. All users together have an end as well, for some can be many (subuid(5)).

import type { Uid } from '../../lib/values/uid.ts';
import type { Rate } from '../../policy/values/session.ts';
import { LoginRates } from './rate.ts';

/** What was left out of the log; uid and kind are absent for all the rest. */
export interface LeftOut {
  readonly uid?: Uid;
  readonly code?: string;
  readonly more: number;
}

const reportMs = 60_000;
/** Of all users and kinds together: lines, and counts of one minute. */
const ofEverybody: Rate = { count: 3_000, ms: 60_000 };
const mostCounts = 100;

export class LogLimit {
  readonly #rate: Rate;
  readonly #ofAll: Rate;
  readonly #report: (left: LeftOut) => void;
  readonly #buckets = new LoginRates<string>();
  readonly #all = new LoginRates<string>();
  readonly #left = new Map<string, { uid: Uid; code: string; more: number }>();
  #rest = 0;

  private constructor(rate: Rate, report: (left: LeftOut) => void, ofAll: Rate) {
    this.#rate = rate;
    this.#ofAll = ofAll;
    this.#report = report;
  }

  /** `report` hears of what was left out, in the minute after. */
  static start(rate: Rate, report: (left: LeftOut) => void, ofAll = ofEverybody): LogLimit {
    const limit = new LogLimit(rate, report, ofAll);
    setInterval(() => limit.report(), reportMs).unref();
    return limit;
  }

  /** Whether this event may have its line; it is counted otherwise. `nowMs`: of a clock that never jumps. */
  take(uid: Uid, code = '', nowMs = performance.now()): boolean {
    const key = `${uid} ${code}`;
    if (this.#buckets.take(key, this.#rate, nowMs) && this.#all.take('', this.#ofAll, nowMs)) return true;
    const left = this.#left.get(key);
    if (left !== undefined) left.more += 1;
    else if (this.#left.size < mostCounts) this.#left.set(key, { uid, code, more: 1 });
    else this.#rest += 1;
    return false;
  }

  /** Says what was left out since it was last asked. */
  report(): void {
    for (const { uid, code, more } of this.#left.values())
      this.#report({ uid, ...(code === '' ? {} : { code }), more });
    if (this.#rest > 0) this.#report({ more: this.#rest });
    this.#left.clear();
    this.#rest = 0;
  }
}

// Follows the wall clock minute by minute as Debian's cron does, when it is changed or summer time begins or ends. Pure.
//
// Jobs at fixed times: of a jump ahead of less than three hours, those that were skipped run at once; after one back, none
// runs a second time. Jobs whose minute or hour is "*" follow the clock. After a greater change all do.

/** Minutes of the wall clock, counted from 1970 as if that were UTC. */
export type Minute = number;

export interface Due {
  readonly minute: Minute;
  readonly which: 'all' | 'fixed' | 'wildcard';
}

/** Up to here it is only that nobody looked. */
const mostLate = 5;
const mostJump = 3 * 60;

export class WallClock {
  #done: Minute;

  /** Of the minute `now` itself nothing is due any more. */
  constructor(now: Minute) {
    this.#done = now;
  }

  /** What is due now, in order. */
  reach(now: Minute): Due[] {
    const ahead = now - this.#done;
    if (ahead === 0) return [];
    if (ahead < 0 && ahead > -mostJump) return this.#again(now);
    const before = this.#done;
    this.#done = now;
    this.#wildcards = now;
    if (ahead < 0 || ahead > mostJump) return [{ minute: now, which: 'all' }];
    const minutes = Array.from({ length: ahead }, (_, index) => before + 1 + index);
    if (ahead <= mostLate) return minutes.map((minute) => ({ minute, which: 'all' }));
    return [
      ...minutes.slice(0, -1).map((minute) => ({ minute, which: 'fixed' }) as const),
      { minute: now, which: 'all' },
    ];
  }

  /** The clock was set back: until it has come as far again, only the others run, each minute once. */
  #wildcards: Minute | undefined;

  #again(now: Minute): Due[] {
    if (this.#wildcards === now) return [];
    this.#wildcards = now;
    return [{ minute: now, which: 'wildcard' }];
  }
}

export function minuteOf(date: Date): Minute {
  const local = Date.UTC(
    date.getFullYear(),
    date.getMonth(),
    date.getDate(),
    date.getHours(),
    date.getMinutes(),
  );
  return Math.floor(local / 60_000);
}

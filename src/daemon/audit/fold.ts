// Folds what happens very often into lines of the audit trail: one at once for each thing that it is about, and what follows within
// a minute as a count in the next.

import type { Uid } from '../../lib/values/uid.ts';

interface Happening {
  readonly uid: Uid;
  readonly user: string;
  readonly count: number;
}

interface Folded<About> {
  readonly about: About;
  readonly sinceMs: number;
  /** Not told yet. */
  count: number;
}

const foldMs = 60_000;
/** Of one user; what happens besides has one line, which says how often alone. */
const mostThings = 64;
const mostUsers = 10_000;

export class Fold<About extends Happening> implements Disposable {
  readonly #nameOf: (about: About) => string;
  readonly #line: (line: About | Happening) => void;
  readonly #users = new Map<Uid, Map<string, Folded<About>>>();
  readonly #timer: NodeJS.Timeout;

  /** `nameOf`: what it is about, apart from others of the user's; '' for what is only counted. `line` writes one. */
  constructor(nameOf: (about: About) => string, line: (line: About | Happening) => void) {
    this.#nameOf = nameOf;
    this.#line = line;
    this.#timer = setInterval(() => this.flush(performance.now()), foldMs / 4).unref();
  }

  add(about: About, nowMs = performance.now()): void {
    const { uid, count } = about;
    const folds = this.#users.get(uid) ?? new Map<string, Folded<About>>();
    if (this.#users.size >= mostUsers && !this.#users.has(uid)) this.flush(Number.POSITIVE_INFINITY);
    this.#users.set(uid, folds);
    const name = this.#nameOf(about);
    const key = folds.has(name) || folds.size < mostThings ? name : '';
    const fold = folds.get(key);
    if (fold !== undefined) {
      fold.count += count;
      return;
    }
    folds.set(key, { about, sinceMs: nowMs, count: 0 });
    this.#tell(key, about, count);
  }

  #tell(key: string, about: About, count: number): void {
    const { uid, user } = about;
    this.#line(key === '' ? { uid, user, count } : { ...about, count });
  }

  /** Says what has come since, of all whose minute is over. */
  flush(nowMs: number): void {
    for (const [uid, folds] of this.#users) {
      for (const [key, { about, sinceMs, count }] of folds) {
        if (nowMs - sinceMs < foldMs) continue;
        folds.delete(key);
        if (count > 0) this.#tell(key, about, count);
      }
      if (folds.size === 0) this.#users.delete(uid);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.flush(Number.POSITIVE_INFINITY);
  }
}

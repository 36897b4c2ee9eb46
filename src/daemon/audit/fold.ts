// Folds what the networks of sandboxes refuse into lines of the audit trail: one at once for each destination, and what follows within
// a minute as a count in the next.

import type { RefusedNow } from '../../isolation/network/refused.ts';
import type { Uid } from '../../lib/values/uid.ts';

interface Folded {
  readonly about: RefusedNow;
  readonly sinceMs: number;
  /** Not told yet. */
  count: number;
}

const foldMs = 60_000;
/** Of one user; what is refused besides has one line, which names no destination. */
const mostDestinations = 64;
const mostUsers = 10_000;

export type RefusedLine = Omit<RefusedNow, 'address' | 'port' | 'protocol'> & Partial<RefusedNow>;

export class RefusedFold implements Disposable {
  readonly #line: (line: RefusedLine) => void;
  readonly #users = new Map<Uid, Map<string, Folded>>();
  readonly #timer: NodeJS.Timeout;

  /** `line` writes one. */
  constructor(line: (line: RefusedLine) => void) {
    this.#line = line;
    this.#timer = setInterval(() => this.flush(performance.now()), foldMs / 4).unref();
  }

  add(refused: RefusedNow, nowMs = performance.now()): void {
    const { uid, protocol, address, port, count } = refused;
    const folds = this.#users.get(uid) ?? new Map<string, Folded>();
    if (this.#users.size >= mostUsers && !this.#users.has(uid)) this.flush(Number.POSITIVE_INFINITY);
    this.#users.set(uid, folds);
    const name = `${protocol} ${address} ${port}`;
    const key = folds.has(name) || folds.size < mostDestinations ? name : '';
    const fold = folds.get(key);
    if (fold !== undefined) {
      fold.count += count;
      return;
    }
    folds.set(key, { about: refused, sinceMs: nowMs, count: 0 });
    this.#tell(key, refused, count);
  }

  #tell(key: string, about: RefusedNow, count: number): void {
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

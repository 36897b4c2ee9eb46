// Counts what goes on at a time, for each of many and in all: logins by uid, for instance. Pure.

export class Counts<Key> {
  readonly #counts = new Map<Key, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  of(key: Key): number {
    return this.#counts.get(key) ?? 0;
  }

  /** One more, until the result is called; it may be called again. A key that has none takes no room. */
  add(key: Key): () => void {
    this.#counts.set(key, this.of(key) + 1);
    this.#total += 1;
    let isCounted = true;
    return () => {
      if (!isCounted) return;
      isCounted = false;
      this.#total -= 1;
      const left = this.of(key) - 1;
      if (left === 0) this.#counts.delete(key);
      else this.#counts.set(key, left);
    };
  }
}

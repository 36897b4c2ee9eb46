// Queues things and serves them in turns of their owners: an owner of many waits behind an owner of few. Pure.

export class Turns<Key, Thing> {
  /** In the order in which it is their turn; none is empty. */
  readonly #waiting = new Map<Key, Thing[]>();

  add(key: Key, thing: Thing): void {
    const own = this.#waiting.get(key);
    if (own === undefined) this.#waiting.set(key, [thing]);
    else own.push(thing);
  }

  /** The first thing of the one whose turn it is; undefined where nothing waits. */
  next(): Thing | undefined {
    const first = this.#waiting.entries().next().value;
    if (first === undefined) return undefined;
    const [key, own] = first;
    const thing = own.shift();
    this.#waiting.delete(key);
    if (own.length > 0) this.#waiting.set(key, own); // behind all others
    return thing;
  }
}

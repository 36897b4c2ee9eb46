// Keeps what running transactions use from garbage collection, which asks here, in the same turn in which it removes
// something, so that whatever is pinned and then found to be there stays there.

import type { Digest } from '../digest.ts';

export class Pins {
  readonly #counts = new Map<string, number>();

  hasBlob(digest: Digest): boolean {
    return this.#counts.has(`blob ${digest}`);
  }

  hasLayer(diffId: Digest): boolean {
    return this.#counts.has(`layer ${diffId}`);
  }

  /** Pins of one holder, given up together. */
  hold(): PinSet {
    const held = new Set<string>();
    const add = (key: string): void => {
      if (held.has(key)) return;
      held.add(key);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    };
    return {
      blob: (digest) => add(`blob ${digest}`),
      layer: (diffId) => add(`layer ${diffId}`),
      [Symbol.dispose]: () => {
        for (const key of held) this.#release(key);
        held.clear();
      },
    };
  }

  #release(key: string): void {
    const left = (this.#counts.get(key) ?? 1) - 1;
    if (left === 0) this.#counts.delete(key);
    else this.#counts.set(key, left);
  }
}

export interface PinSet extends Disposable {
  blob(digest: Digest): void;
  layer(diffId: Digest): void;
}

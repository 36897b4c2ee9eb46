// Keeps what running transactions use from garbage collection, which asks here, in the same turn in which it removes
// something, so that whatever is pinned and then found to be there stays there.

import { Counts } from '../../lib/async/counts.ts';
import type { Digest } from '../digest.ts';

export class Pins {
  readonly #counts = new Counts<string>();

  hasBlob(digest: Digest): boolean {
    return this.#counts.of(`blob ${digest}`) > 0;
  }

  hasLayer(diffId: Digest): boolean {
    return this.#counts.of(`layer ${diffId}`) > 0;
  }

  /** Pins of one holder, given up together. */
  hold(): PinSet {
    const held = new Map<string, () => void>();
    const add = (key: string): void => {
      if (!held.has(key)) held.set(key, this.#counts.add(key));
    };
    return {
      blob: (digest) => add(`blob ${digest}`),
      layer: (diffId) => add(`layer ${diffId}`),
      [Symbol.dispose]: () => {
        for (const release of held.values()) release();
        held.clear();
      },
    };
  }
}

export interface PinSet extends Disposable {
  blob(digest: Digest): void;
  layer(diffId: Digest): void;
}

// Shares work that several callers want done: whoever comes second waits for the first, and does it alone where the
// first failed.

import type { AddOptions, BlobProgress } from '../content.ts';

interface Flight {
  readonly ended: Promise<void>;
  readonly listeners: Set<(progress: BlobProgress) => void>;
  last: BlobProgress | undefined;
}

export class Flights {
  readonly #running = new Map<string, Flight>();

  has(key: string): boolean {
    return this.#running.has(key);
  }

  /**
   * Returns when `isDone` says so: it is asked first, and again whenever somebody else's work under this key
   * has ended, well or not. Does `work` itself where nobody else is at it; only then can it fail.
   */
  async share(
    key: string,
    { onProgress, signal }: AddOptions,
    isDone: () => Promise<boolean>,
    work: (report: (progress: BlobProgress) => void) => Promise<void>,
  ): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      if (!this.#running.has(key) && (await isDone())) return;
      const running = this.#running.get(key);
      if (running === undefined) {
        await this.#fly(key, onProgress, work);
        return;
      }
      await join(running, onProgress, signal);
    }
  }

  async #fly(
    key: string,
    onProgress: AddOptions['onProgress'],
    work: (report: (progress: BlobProgress) => void) => Promise<void>,
  ): Promise<void> {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const flight: Flight = { ended, listeners: new Set(onProgress && [onProgress]), last: undefined };
    this.#running.set(key, flight);
    try {
      await work((progress) => {
        flight.last = progress;
        for (const listener of flight.listeners) listener(progress);
      });
    } finally {
      this.#running.delete(key);
      end();
    }
  }
}

async function join(
  flight: Flight,
  onProgress: AddOptions['onProgress'],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (onProgress !== undefined) {
    if (flight.last !== undefined) onProgress(flight.last);
    flight.listeners.add(onProgress);
  }
  const { promise: aborted, resolve: abort } = Promise.withResolvers<void>();
  const onAbort = (): void => abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([flight.ended, aborted]);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    if (onProgress !== undefined) flight.listeners.delete(onProgress);
  }
}

// Streams the body of an answer. It ends with an error when the connection breaks, when nothing comes for too long,
// and when so little comes that it would take for ever. Time in which the reader is busy does not count.

import type { IncomingMessage } from 'node:http';
import { collect } from '../../../lib/collect.ts';
import { RegistryError } from '../failure.ts';
import type { RegistryLimits } from '../limits.ts';

export interface BodyContext {
  readonly what: string;
  readonly limits: RegistryLimits;
  readonly signal: AbortSignal | undefined;
}

/** Closing the generator early gives the connection up. */
export async function* bodyOf(
  incoming: IncomingMessage,
  { what, limits, signal }: BodyContext,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pace = new Pace(limits);
  let waiting = false;
  const timer = setTimeout(() => {
    if (waiting) incoming.destroy(stalled(what, `nothing came for ${limits.stallMs / 1000} s`));
  }, limits.stallMs);
  const chunks: AsyncIterator<Buffer> = incoming[Symbol.asyncIterator]();
  try {
    for (;;) {
      waiting = true;
      timer.refresh();
      const since = performance.now();
      const next = await chunks.next();
      waiting = false;
      if (next.done === true) return;
      if (pace.isTooSlow(next.value.length, performance.now() - since)) {
        throw stalled(what, `less than ${limits.slowBytes} bytes came in ${limits.slowMs / 1000} s`);
      }
      yield next.value;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw asBroken(error, what);
  } finally {
    clearTimeout(timer);
    incoming.destroy();
  }
}

/** The whole body, where it is not longer than `maxBytes`. */
export async function collectBody(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  what: string,
): Promise<Buffer> {
  const why = `the answer is longer than ${maxBytes} bytes`;
  return await collect(body, maxBytes, () => new RegistryError('limit', { what, why }));
}

/** Notices a trickle: over each stretch of waiting, a least number of bytes must have come. */
class Pace {
  readonly #limits: RegistryLimits;
  #waitedMs = 0;
  #bytes = 0;

  constructor(limits: RegistryLimits) {
    this.#limits = limits;
  }

  isTooSlow(bytes: number, waitedMs: number): boolean {
    this.#waitedMs += waitedMs;
    this.#bytes += bytes;
    if (this.#waitedMs < this.#limits.slowMs) return false;
    const slow = this.#bytes < this.#limits.slowBytes;
    this.#waitedMs = 0;
    this.#bytes = 0;
    return slow;
  }
}

function stalled(what: string, why: string): RegistryError {
  return new RegistryError('unreachable', { what, why, transient: true });
}

function asBroken(error: unknown, what: string): unknown {
  if (error instanceof RegistryError || !(error instanceof Error)) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code.startsWith('HPE_')) {
    return new RegistryError('answer', { what, why: `no valid HTTP (${error.message})`, cause: error });
  }
  const why = `the connection broke (${code || error.message})`;
  return new RegistryError('unreachable', { what, why, transient: true, cause: error });
}

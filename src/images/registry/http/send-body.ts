// Sends the body of a request as fast as the registry takes it, and no faster. Gives up when it takes nothing
// for too long, and stops quietly when it has answered already: the answer says why.

import type { ClientRequest } from 'node:http';
import { RegistryError } from '../failure.ts';

export interface RequestBody {
  /** Bytes, exactly. */
  readonly length: number;
  /** Called once for each attempt; gives the body from its beginning. */
  open(): AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;
}

/** A body that is in memory. */
export function bodyFromBytes(bytes: Uint8Array): RequestBody {
  return {
    length: bytes.length,
    open: async function* () {
      yield bytes;
    },
  };
}

interface SendContext {
  readonly what: string;
  readonly stallMs: number;
}

/** Rejects where the source fails or has another length than was said; the request is destroyed then. */
export async function sendBody(
  outgoing: ClientRequest,
  body: RequestBody,
  context: SendContext,
): Promise<void> {
  const flow = Flow.into(outgoing, context);
  try {
    let sent = 0;
    for await (const chunk of await body.open()) {
      sent += chunk.length;
      if (sent > body.length) throw wrongLength(context.what, body.length, 'more');
      if (!(await flow.write(chunk))) return;
    }
    if (sent !== body.length) throw wrongLength(context.what, body.length, 'less');
    outgoing.end();
  } catch (error) {
    outgoing.destroy(error instanceof Error ? error : undefined);
    throw error;
  } finally {
    flow.close();
  }
}

function wrongLength(what: string, length: number, than: 'more' | 'less'): RegistryError {
  return new RegistryError('broken', { what, why: `the source has ${than} than its ${length} bytes` });
}

class Flow {
  readonly #outgoing: ClientRequest;
  readonly #timer: NodeJS.Timeout;
  #waiting = false;
  #over = false;
  #wake: () => void = () => undefined;

  private constructor(outgoing: ClientRequest, timer: NodeJS.Timeout) {
    this.#outgoing = outgoing;
    this.#timer = timer;
  }

  static into(outgoing: ClientRequest, { what, stallMs }: SendContext): Flow {
    const timer = setTimeout(() => {
      if (!flow.#waiting) return;
      const why = `the registry took nothing for ${stallMs / 1000} s`;
      outgoing.destroy(new RegistryError('unreachable', { what, why, transient: true }));
    }, stallMs);
    const flow = new Flow(outgoing, timer);
    const stop = (): void => {
      flow.#over = true;
      flow.#wake();
    };
    outgoing.on('drain', () => flow.#wake());
    outgoing.once('response', stop);
    outgoing.once('close', stop);
    return flow;
  }

  /** False: nobody listens any more. */
  async write(chunk: Uint8Array): Promise<boolean> {
    if (this.#over || this.#outgoing.destroyed) return false;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (!this.#outgoing.write(chunk)) {
      this.#waiting = true;
      this.#timer.refresh();
      await promise;
      this.#waiting = false;
    }
    return !this.#over;
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

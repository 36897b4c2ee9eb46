// Asks the monitor, which is root and believes nothing of what this process says: each request has a slot, and its answer the
// same. docs/protocol.md has the messages.

import type { SeqpacketConnection } from '../../isolation/socket/seqpacket.ts';
import { closeAll, type OwnedFd } from '../../lib/fd.ts';
import { fieldOf, fieldsOf, parseWire, textOf, u32Of, type WireMessage, WireWriter } from '../../lib/wire.ts';

/** Whose connection this process serves. */
export interface ClientHandedOver {
  readonly socket: OwnedFd;
  readonly hostKeys: readonly Buffer[];
  readonly methods: string;
  readonly banner: string | undefined;
}

export interface Answer {
  readonly message: WireMessage;
  readonly fds: readonly OwnedFd[];
}

/** A session's end: its exit status, or the signal that has ended it. */
export type SessionEnd =
  | { readonly kind: 'exit'; readonly status: number }
  | { readonly kind: 'signal'; readonly name: string; readonly core: boolean };

const answers: readonly WireMessage['type'][] = ['gwAuthAnswer', 'gwStarted', 'gwOpened'];

function endOf(message: WireMessage): SessionEnd {
  if (textOf(message, 'kind') === 'signal')
    return {
      kind: 'signal',
      name: (textOf(message, 'name') ?? '').replace(/^SIG/, ''),
      core: (u32Of(message, 'gwCore') ?? 0) !== 0,
    };
  return { kind: 'exit', status: u32Of(message, 'code') ?? 255 };
}

export class Monitor implements Disposable {
  readonly #connection: SeqpacketConnection;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #sessions = new Map<number, (end: SessionEnd) => void>();
  #client: ((client: ClientHandedOver) => void) | undefined;
  #nextSlot = 1;

  constructor(connection: SeqpacketConnection) {
    this.#connection = connection;
  }

  /** The client, once one has come. `gone`: the monitor has ended. */
  start(gone: () => void): Promise<ClientHandedOver> {
    const { promise, resolve } = Promise.withResolvers<ClientHandedOver>();
    this.#client = resolve;
    this.#connection.listen({
      message: ({ data, fds }) => {
        const message = parseWire(data);
        if (message === undefined || !this.#take(message, fds)) closeAll(fds);
      },
      end: gone,
    });
    return promise;
  }

  slot(): number {
    const slot = this.#nextSlot;
    this.#nextSlot = (slot + 1) >>> 0;
    return slot;
  }

  /** Sends a request that has this slot, and waits for its answer. */
  ask(slot: number, request: WireWriter): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(slot, resolve);
    this.tell(request);
    return promise;
  }

  tell(request: WireWriter): void {
    try {
      this.#connection.send(request.finish());
    } catch {
      // EPIPE, ECONNRESET: it has gone, and start() has been told.
    }
  }

  /** Hears of the end of the session with this slot. */
  whenEnded(slot: number, ended: (end: SessionEnd) => void): void {
    this.#sessions.set(slot, ended);
  }

  signal(slot: number, signal: number): void {
    this.tell(new WireWriter('gwTell').u32('slot', slot).text('kind', 'signal').u32('signal', signal));
  }

  /** Of a listener: its address is given up. */
  close(slot: number): void {
    this.tell(new WireWriter('gwClose').u32('slot', slot));
  }

  /** Whether the descriptors are somebody's now. */
  #take(message: WireMessage, fds: readonly OwnedFd[]): boolean {
    if (message.type === 'gwClient') return this.#taken(message, fds);
    const slot = u32Of(message, 'slot');
    if (slot === undefined) return false;
    if (message.type === 'gwEnded') {
      const ended = this.#sessions.get(slot);
      this.#sessions.delete(slot);
      ended?.(endOf(message));
      return false;
    }
    const waiting = answers.includes(message.type) ? this.#waiting.get(slot) : undefined;
    this.#waiting.delete(slot);
    waiting?.({ message, fds });
    return waiting !== undefined;
  }

  #taken(message: WireMessage, fds: readonly OwnedFd[]): boolean {
    const [socket, ...others] = fds;
    const client = this.#client;
    this.#client = undefined;
    if (socket === undefined || client === undefined) return false;
    closeAll(others);
    client({
      socket,
      hostKeys: fieldsOf(message, 'gwKey'),
      methods: textOf(message, 'gwMethods') ?? '',
      banner: fieldOf(message, 'text')?.toString('utf8'),
    });
    return true;
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}

// SOCK_SEQPACKET sockets that carry descriptors, on Node's event loop. Used for logins (from anybody) and for
// supervisors (ours). A connection owns its descriptor; what it receives belongs to the handler.

import { hasErrno } from '../lib/errors.ts';
import { closeAll, OwnedFd } from '../lib/fd.ts';
import { addon, type PeerCredentials } from './addon.ts';

export { loadAddon } from './addon.ts';

export interface Packet {
  readonly data: Buffer;
  readonly fds: readonly OwnedFd[];
}

export interface PacketHandlers {
  readonly message: (packet: Packet) => void;
  /** Once: the peer has gone, or sent something that is no message. Not called after dispose. */
  readonly end: () => void;
}

export class SeqpacketConnection implements Disposable {
  readonly #fd: OwnedFd;
  #stop: (() => void) | undefined;
  readonly #queue: { data: Buffer; fds: readonly OwnedFd[] }[] = [];
  #retry: NodeJS.Timeout | undefined;

  constructor(fd: OwnedFd) {
    this.#fd = fd;
  }

  static connect(path: string): SeqpacketConnection {
    return new SeqpacketConnection(new OwnedFd(addon().connect(path)));
  }

  peer(): PeerCredentials {
    return addon().peer(this.#fd.borrow());
  }

  /** Starts reading. */
  listen(handlers: PacketHandlers): void {
    this.#stop = addon().poll(this.#fd.borrow(), () => this.#drain(handlers));
  }

  #drain(handlers: PacketHandlers): void {
    while (this.#stop !== undefined) {
      let received: ReturnType<ReturnType<typeof addon>['receive']>;
      try {
        received = addon().receive(this.#fd.borrow());
      } catch (error) {
        if (!hasErrno(error, 'EBADMSG')) throw error; // a broken message: as good as the end
        received = null;
      }
      if (received === undefined) return;
      if (received === null) {
        this.#halt();
        handlers.end();
        return;
      }
      handlers.message({ data: received.data, fds: received.fds.map((fd) => new OwnedFd(fd)) });
    }
  }

  /**
   * Waits for the first message, looks at it and leaves it there for whoever gets the connection next: its
   * descriptors never become ours. A message that is there already is handled before this returns.
   */
  awaitFirst(handlers: { readonly message: (data: Buffer) => void; readonly end: () => void }): void {
    const look = (): void => {
      if (this.#stop === undefined) return;
      const data = peekOrEnd(this.#fd.borrow());
      if (data === undefined) return;
      this.#halt();
      if (data === null) handlers.end();
      else handlers.message(data);
    };
    this.#stop = addon().poll(this.#fd.borrow(), look);
    look();
  }

  /** Hears nothing until listen() is called again, with whatever handlers. */
  pause(): void {
    this.#halt();
  }

  /** Reads no more; the handlers hear nothing from now on. */
  #halt(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /**
   * Sends one message. Takes the descriptors: once the message is under way they are the peer's. Where the
   * peer's queue is full (a supervisor that builds its sandbox reads nothing meanwhile) it is sent later, in
   * order. Throws EPIPE or ECONNRESET where the peer has gone, and then the descriptors are still the caller's.
   */
  send(data: Buffer, fds: readonly OwnedFd[] = []): void {
    if (this.#queue.length === 0 && this.#sendNow(data, fds)) return;
    this.#queue.push({ data, fds });
    this.#retry ??= setTimeout(() => this.#flush(), 1);
  }

  /** Messages that are not under way yet. */
  get queued(): number {
    return this.#queue.length;
  }

  #sendNow(data: Buffer, fds: readonly OwnedFd[]): boolean {
    const numbers = fds.map((fd) => fd.borrow());
    if (!addon().send(this.#fd.borrow(), data, numbers)) return false;
    closeAll(fds);
    return true;
  }

  #flush(): void {
    this.#retry = undefined;
    try {
      for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
        if (!this.#sendNow(next.data, next.fds)) {
          this.#retry = setTimeout(() => this.#flush(), 1);
          return;
        }
        this.#queue.shift();
      }
    } catch (error) {
      // The peer has gone: its end is read by the handler, and what waited here goes nowhere.
      if (!hasErrno(error, 'EPIPE', 'ECONNRESET')) throw error;
      this.#forget();
    }
  }

  #forget(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    for (const { fds } of this.#queue.splice(0)) closeAll(fds);
  }

  /** The descriptor itself, to be passed on to another process; this object is done with it. */
  release(): OwnedFd {
    this.#halt();
    this.#forget();
    return new OwnedFd(this.#fd.take());
  }

  [Symbol.dispose](): void {
    this.#halt();
    this.#forget();
    this.#fd[Symbol.dispose]();
  }
}

/** null for the peer's end and for what is no message: both end the conversation. */
function peekOrEnd(fd: number): Buffer | null | undefined {
  try {
    return addon().peek(fd);
  } catch (error) {
    if (!hasErrno(error, 'EBADMSG')) throw error;
    return null;
  }
}

/** Those who have connected to a listening socket until now, `most` at the most. */
export function* acceptWaiting(listening: OwnedFd, most: number): Generator<SeqpacketConnection> {
  for (let count = 0; count < most; count += 1) {
    const fd = addon().accept(listening.borrow());
    if (fd < 0) return;
    yield new SeqpacketConnection(new OwnedFd(fd));
  }
}

/** How long a listener rests when the process or the host is out of descriptors or memory. */
const exhaustedMs = 100;
const acceptedAtOnce = 32;

/** A listening socket; each connection is handed to `accepted`, which owns it. */
export class SeqpacketListener implements Disposable {
  readonly #fd: OwnedFd;
  readonly #accepted: (connection: SeqpacketConnection) => void;
  readonly #failed: (error: unknown) => void;
  #stop: (() => void) | undefined;
  #rest: NodeJS.Timeout | undefined;

  /** A new socket that takes the place of whatever socket has the name. */
  static bind(path: string, mode: number): OwnedFd {
    return new OwnedFd(addon().listen(path, mode));
  }

  /** Takes the socket. `failed` hears of connections that could not be accepted or served; it goes on. */
  constructor(
    fd: OwnedFd,
    accepted: (connection: SeqpacketConnection) => void,
    failed: (error: unknown) => void,
  ) {
    this.#fd = fd;
    this.#accepted = accepted;
    this.#failed = failed;
    this.#listen();
  }

  #listen(): void {
    this.#rest = undefined;
    this.#stop = addon().poll(this.#fd.borrow(), () => {
      try {
        this.#acceptAll();
      } catch (error) {
        // Whoever waits is still there; trying at once again would only use the processor up.
        this.#failed(error);
        this.#stop?.();
        this.#stop = undefined;
        this.#rest = setTimeout(() => this.#listen(), exhaustedMs);
      }
    });
  }

  #acceptAll(): void {
    // A few at a time: whoever connects in a loop must not keep everybody else waiting.
    for (let count = 0; count < acceptedAtOnce; count += 1) {
      const fd = addon().accept(this.#fd.borrow());
      if (fd < 0) return;
      const connection = new SeqpacketConnection(new OwnedFd(fd));
      try {
        this.#accepted(connection);
      } catch (error) {
        this.#failed(error); // one login's trouble is nobody else's
        connection[Symbol.dispose]();
      }
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#rest);
    this.#stop?.();
    this.#fd[Symbol.dispose]();
  }
}

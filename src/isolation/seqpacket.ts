// SOCK_SEQPACKET sockets that carry descriptors, on Node's event loop. Used for logins (from anybody) and for
// supervisors (ours). A connection owns its descriptor; what it receives belongs to the handler.

import { hasErrno } from '../lib/errors.ts';
import { OwnedFd } from '../lib/fd.ts';
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
  #queue: { data: Buffer; fds: readonly number[]; sent: () => void }[] = [];
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

  /** Starts reading. `eager`: a message that is there already is handled before this returns. */
  listen(handlers: PacketHandlers, eager = false): void {
    this.#stop = addon().poll(this.#fd.borrow(), () => this.#drain(handlers));
    if (eager) this.#drain(handlers);
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

  /** Reads no more; the handlers hear nothing from now on. */
  #halt(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /**
   * Sends one message with borrowed descriptors. Where the peer's queue is full (a supervisor that builds its
   * sandbox reads nothing meanwhile) it is sent later, in order. EPIPE and ECONNRESET are thrown.
   * @returns true when it is sent already; `sent` is called when a delayed one is
   */
  send(data: Buffer, fds: readonly OwnedFd[] = [], sent: () => void = () => {}): boolean {
    const numbers = fds.map((fd) => fd.borrow());
    if (this.#queue.length === 0 && addon().send(this.#fd.borrow(), data, numbers)) return true;
    this.#queue.push({ data, fds: numbers, sent });
    this.#retry ??= setTimeout(() => this.#flush(), 1);
    return false;
  }

  #flush(): void {
    this.#retry = undefined;
    try {
      for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
        if (!addon().send(this.#fd.borrow(), next.data, next.fds)) {
          this.#retry = setTimeout(() => this.#flush(), 1);
          return;
        }
        this.#queue.shift();
        next.sent();
      }
    } catch (error) {
      // The peer has gone: its end is read by the handler, and what waited here went nowhere.
      if (!hasErrno(error, 'EPIPE', 'ECONNRESET')) throw error;
      this.#queue = [];
    }
  }

  /** The descriptor itself, to be passed on to another process; this object is done with it. */
  release(): OwnedFd {
    this.#halt();
    clearTimeout(this.#retry);
    return new OwnedFd(this.#fd.take());
  }

  [Symbol.dispose](): void {
    this.#halt();
    clearTimeout(this.#retry);
    this.#fd[Symbol.dispose]();
  }
}

/** A listening socket; each connection is handed to `accepted`, which owns it. */
export class SeqpacketListener implements Disposable {
  readonly #fd: OwnedFd;
  readonly #stop: () => void;

  constructor(path: string, mode: number, accepted: (connection: SeqpacketConnection) => void) {
    this.#fd = new OwnedFd(addon().listen(path, mode));
    this.#stop = addon().poll(this.#fd.borrow(), () => {
      for (let fd = addon().accept(this.#fd.borrow()); fd >= 0; fd = addon().accept(this.#fd.borrow())) {
        accepted(new SeqpacketConnection(new OwnedFd(fd)));
      }
    });
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#fd[Symbol.dispose]();
  }
}

// SOCK_SEQPACKET sockets that carry descriptors, on Node's event loop, as the launcher and supervisors have them.
// Clients' connections are another matter (client-connection.ts). A connection owns its descriptor; what it receives
// belongs to the handler.

import { hasErrno } from '../../lib/errors.ts';
import { closeAll, OwnedFd } from '../../lib/fd.ts';
import { addon } from '../addon.ts';
import { acceptClients, type ClientConnection } from './client-connection.ts';

export { loadAddon } from '../addon.ts';

export interface Packet {
  readonly data: Buffer;
  readonly fds: readonly OwnedFd[];
}

export interface PacketHandlers {
  readonly message: (packet: Packet) => void;
  /** Once: the peer has gone, or sent something that is no message. Not called after dispose. */
  readonly end: () => void;
}

/** Hears of descriptors that did not get under way before the peer was gone, and owns them. */
type Undelivered = (fds: readonly OwnedFd[]) => void;

interface Queued {
  readonly data: Buffer;
  readonly fds: readonly OwnedFd[];
  readonly undelivered: Undelivered;
}

export class SeqpacketConnection implements Disposable {
  readonly #fd: OwnedFd;
  #stop: (() => void) | undefined;
  readonly #queue: Queued[] = [];
  #retry: NodeJS.Timeout | undefined;

  constructor(fd: OwnedFd) {
    this.#fd = fd;
  }

  static connect(path: string): SeqpacketConnection {
    return new SeqpacketConnection(new OwnedFd(addon().connect(path)));
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
   * order. Throws EPIPE or ECONNRESET where the peer has gone; whatever it throws, the descriptors are still the
   * caller's then. `undelivered` gets those back that were to be sent later, and closes them if nobody says otherwise.
   */
  send(data: Buffer, fds: readonly OwnedFd[] = [], undelivered: Undelivered = closeAll): void {
    if (this.#queue.length === 0 && this.#sendNow(data, fds)) return;
    this.#queue.push({ data, fds: fds.map((fd) => fd.move()), undelivered });
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
    } catch {
      // EPIPE, ECONNRESET: the peer has gone, its end is read by the handler, and what waited here goes nowhere. Whatever
      // else it is, nobody can be told at this place but those who sent: they have their descriptors back.
      this.#forget();
    }
  }

  #forget(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    for (const { fds, undelivered } of this.#queue.splice(0)) undelivered(fds);
  }

  [Symbol.dispose](): void {
    this.#halt();
    this.#forget();
    this.#fd[Symbol.dispose]();
  }
}

/** How long a listener rests when the process or the host is out of descriptors or memory. */
const exhaustedMs = 100;
/**
 * And for each connection that was one too many: whoever floods a socket waits in connect(2) then, and leaves the
 * processors to others. A full queue is through in a few of these rests.
 */
const msPerTooMany = 0.1;
/** Each takes in all who wait, but for what takes longer than a few milliseconds; more than a full queue needs. */
const mostLooks = 16;

/** A listening socket; connections are handed to `accepted`, which owns them and does not throw. */
export class SeqpacketListener implements Disposable {
  readonly #fd: OwnedFd;
  readonly #accepted: (clients: readonly ClientConnection[]) => void;
  readonly #failed: (error: unknown) => void;
  #stop: (() => void) | undefined;
  #rest: NodeJS.Timeout | undefined;

  /** A new socket that takes the place of whatever socket has the name. */
  static bind(path: string, mode: number): OwnedFd {
    return new OwnedFd(addon().listen(path, mode));
  }

  private constructor(
    fd: OwnedFd,
    accepted: (clients: readonly ClientConnection[]) => void,
    failed: (error: unknown) => void,
  ) {
    this.#fd = fd;
    this.#accepted = accepted;
    this.#failed = failed;
  }

  /** Takes the socket. `failed` hears of connections that could not be accepted; it goes on. */
  static listen(
    fd: OwnedFd,
    accepted: (clients: readonly ClientConnection[]) => void,
    failed: (error: unknown) => void,
  ): SeqpacketListener {
    const listener = new SeqpacketListener(fd, accepted, failed);
    listener.#listen();
    return listener;
  }

  #listen(): void {
    this.#rest = undefined;
    this.#stop = addon().poll(this.#fd.borrow(), () => {
      try {
        const { clients, tooMany } = acceptClients(this.#fd);
        this.#accepted(clients);
        if (tooMany > 0) this.#restFor(tooMany * msPerTooMany);
      } catch (error) {
        // Whoever waits is still there; trying at once again would only use the processor up.
        this.#failed(error);
        this.#restFor(exhaustedMs);
      }
    });
  }

  #restFor(ms: number): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#rest = setTimeout(() => this.#listen(), ms);
  }

  /**
   * Takes in those who have come, and nobody after them: what waits in the queue of a socket when that is closed is closed
   * with it, here, however long that takes.
   */
  close(): void {
    addon().silence(this.#fd.borrow());
    try {
      for (let looks = 0; looks < mostLooks; looks += 1) this.#accepted(acceptClients(this.#fd).clients);
    } catch (error) {
      this.#failed(error);
    }
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#rest);
    this.#stop?.();
    this.#fd[Symbol.dispose]();
  }
}

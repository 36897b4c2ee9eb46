// Owns a login client's connection, or that of sshd's module, while the daemon has it: it is looked at, lent to supervisors, and in the end
// theirs or refused. What a client has queued on it can hold descriptors whose last close waits for as long as the
// client likes, so it is closed here only where none is in it. Where some are, a process does that which exits for it
// (native/supervisor/launcher.c).

import { hasErrno } from '../../lib/errors.ts';
import { closeAll, OwnedFd } from '../../lib/fd.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { addon } from '../addon.ts';

export interface Disposer {
  /** Sends the message to the client, who has this uid, and closes its connection, which it takes, unless it throws. */
  dispose(message: Buffer, connection: OwnedFd, uid: Uid): void;
  /** Has the connection of this uid closed, sooner or later; takes it. */
  discard(uid: Uid, connection: OwnedFd): void;
}

export interface Arrivals {
  readonly clients: readonly ClientConnection[];
  /** Connections of uids that connect too fast: closed already, or only to be discarded. */
  readonly tooMany: number;
}

/** Those who have connected to a listening socket until now. */
export function acceptClients(listening: OwnedFd): Arrivals {
  const [closed = 0, ...found] = addon().acceptClients(listening.borrow());
  const clients = Array.from({ length: found.length / 2 }, (_, index) => {
    const [fd = -1, uid = -1] = [found[2 * index], found[2 * index + 1]];
    return new ClientConnection(new OwnedFd(fd), (uid < 0 ? -1 - uid : uid) as Uid, uid < 0);
  });
  return { clients, tooMany: closed + clients.filter(({ isTooMany }) => isTooMany).length };
}

export class ClientConnection {
  #fd: OwnedFd | undefined;
  #stop: (() => void) | undefined;
  /** The peer's, by the kernel's word (SO_PEERCRED). */
  readonly uid: Uid;

  /** More connections than this uid is allowed: this one is not looked at. */
  readonly isTooMany: boolean;

  constructor(fd: OwnedFd, uid: Uid, isTooMany = false) {
    this.#fd = fd;
    this.uid = uid;
    this.isTooMany = isTooMany;
  }

  /** False while a supervisor has it, and when it is done with. */
  get isOurs(): boolean {
    return this.#fd !== undefined;
  }

  /**
   * The login, which stays where it is for whoever gets the connection next: its descriptors never become ours. false: a
   * message that is none. null: the client has gone, or has sent what is no message. undefined: it has said nothing yet.
   */
  look(wanted: 'login' | 'join' = 'login'): Buffer | false | null | undefined {
    if (this.#fd === undefined) return null;
    try {
      const fd = this.#fd.borrow();
      return wanted === 'login' ? addon().lookAtLogin(fd) : addon().lookAtJoin(fd);
    } catch {
      return null; // there is nothing to be had from it, whatever the reason is
    }
  }

  /** Calls back once, when there is something to look at. */
  whenReadable(callback: () => void): void {
    if (this.#fd === undefined) return;
    this.#stop = addon().poll(this.#fd.borrow(), () => {
      this.#hearNothing();
      callback();
    });
  }

  #hearNothing(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  /** `give` owns the connection once it has returned. Where it throws, it is ours as before. */
  handOver<T>(give: (fd: OwnedFd) => T): T {
    if (this.#fd === undefined) throw new Error('the connection of a client is somebody else’s');
    this.#hearNothing();
    const result = give(this.#fd);
    this.#fd = undefined;
    return result;
  }

  /** Takes the connection back from a supervisor that refused the session; what came along with it is closed. */
  giveBack(fd?: OwnedFd, ...others: readonly OwnedFd[]): void {
    this.#fd = fd;
    closeAll(others);
  }

  /** Tells the client something, if the connection is ours just now; one that does not read misses it. */
  tell(message: Buffer): void {
    if (this.#fd === undefined) return;
    try {
      addon().send(this.#fd.borrow(), message, []);
    } catch {
      // It has gone, or the kernel has no room: whoever goes on with it finds out.
    }
  }

  /** Answers the client, if the connection is still ours, and has somebody see to it that the answer is read. */
  refuse(disposer: Disposer, message: Buffer): void {
    if (this.#fd === undefined) return;
    try {
      this.handOver((fd) => disposer.dispose(message, fd, this.uid));
    } catch {
      this.dismiss(disposer, message);
    }
  }

  /**
   * Answers the client, if the connection is still ours, at hardly any cost: the answer waits behind the end of the
   * connection (ECONNRESET) where the client's own message was not taken.
   */
  dismiss(disposer: Disposer, message?: Buffer): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    if (message !== undefined) this.tell(message);
    this.#hearNothing();
    this.#fd = undefined;
    if (isSilenced(fd)) fd[Symbol.dispose]();
    else disposer.discard(this.uid, fd);
  }
}

/** Whether nothing is in it and nothing can come, so that closing it waits for nobody. */
function isSilenced(fd: OwnedFd): boolean {
  try {
    return addon().silence(fd.borrow());
  } catch {
    return false;
  }
}

/** True for what a connection says whose peer has gone. */
export function isPeerGone(error: unknown): boolean {
  return hasErrno(error, 'EPIPE', 'ECONNRESET');
}

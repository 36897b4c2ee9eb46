// A login client's connection while the daemon has it: lent to supervisors, and in the end refused or theirs.
// Never closed here: what a client may have queued on it can hold descriptors whose last close waits for as
// long as the client likes. The launcher's disposable children do that (native/supervisor/main.c).

import { hasErrno } from '../lib/errors.ts';
import type { OwnedFd } from '../lib/fd.ts';
import { addon } from './addon.ts';

export interface Disposer {
  /** Takes the connection, sends the message to the client and closes it. */
  dispose(message: Buffer, connection: OwnedFd): void;
}

export class ClientConnection {
  #fd: OwnedFd | undefined;

  constructor(fd: OwnedFd) {
    this.#fd = fd;
  }

  /** For a supervisor; undefined where it is gone already. */
  take(): OwnedFd | undefined {
    const fd = this.#fd;
    this.#fd = undefined;
    return fd;
  }

  /** From a supervisor that would not have it. */
  giveBack(fd: OwnedFd): void {
    this.#fd = fd;
  }

  /** Tells the client something, if the connection is ours just now; one that does not read misses it. */
  tell(message: Buffer): void {
    if (this.#fd === undefined) return;
    try {
      addon().send(this.#fd.borrow(), message, []);
    } catch (error) {
      if (!hasErrno(error, 'EPIPE', 'ECONNRESET')) throw error; // it has gone: whoever goes on finds out
    }
  }

  /** Answers the client, if the connection is still ours. */
  refuse(disposer: Disposer, message: Buffer): void {
    const fd = this.take();
    if (fd !== undefined) disposer.dispose(message, fd);
  }
}

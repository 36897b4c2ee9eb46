// A login client's connection while the daemon has it: lent to supervisors, and in the end refused or theirs.
// Never closed here: what a client may have queued on it can hold descriptors whose last close waits for as
// long as the client likes. The launcher's disposable children do that (native/supervisor/main.c).

import type { OwnedFd } from '../lib/fd.ts';

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

  /** Answers the client, if the connection is still ours. */
  refuse(disposer: Disposer, message: Buffer): void {
    const fd = this.take();
    if (fd !== undefined) disposer.dispose(message, fd);
  }
}

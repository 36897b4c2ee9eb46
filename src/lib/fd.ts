// Ownership of raw descriptors. Only lib and isolation handle numbers; everybody else holds an OwnedFd,
// which is closed exactly once, or passed on with take().

import { closeSync } from 'node:fs';

export class OwnedFd implements Disposable {
  #fd: number | undefined;

  /** Takes over `fd`. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The number, still owned by this object. */
  borrow(): number {
    if (this.#fd === undefined) throw new Error('descriptor used after it was closed or passed on');
    return this.#fd;
  }

  /** The number; the caller owns it from now on. */
  take(): number {
    const fd = this.borrow();
    this.#fd = undefined;
    return fd;
  }

  /** Closes it. Does nothing the second time. */
  [Symbol.dispose](): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    this.#fd = undefined; // first: after a failed close the number is free all the same (close(2))
    closeSync(fd);
  }
}

/** Closes them all. */
export function closeAll(fds: readonly OwnedFd[]): void {
  for (const fd of fds) fd[Symbol.dispose]();
}

// Owns raw descriptors. Only lib and isolation handle numbers; everybody else holds an OwnedFd, which is closed
// exactly once, or passed on. There is no way to take a descriptor out and have nobody own it: passing on is a call
// that either succeeds, and then the other side owns it, or throws, and then nothing has changed.

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

  /** `give` owns the number once it has returned. Where it throws, this object does as before. */
  handOver<T>(give: (fd: number) => T): T {
    const result = give(this.borrow());
    this.#fd = undefined;
    return result;
  }

  /** The same descriptor with another owner; this object is done with it. */
  move(): OwnedFd {
    return this.handOver((fd) => new OwnedFd(fd));
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

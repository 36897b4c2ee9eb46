// Gets rid of clients' connections that nobody answers any more, but whose descriptors may take long to be closed.
// Each uid has a bin: a socket pair through which its connections are sent, and in which they stay. A full one is
// given to a process that exits for it, so that hundreds of connections cost one fork.

import { OwnedFd } from '../../lib/fd.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { addon } from '../addon.ts';

/** Far below what a socket pair takes before it is full (its send buffer). */
const mostInBin = 100;
/** How long one that is not full waits for more. */
const fillMs = 100;

interface Bin {
  readonly ours: OwnedFd;
  readonly theirs: OwnedFd;
  count: number;
  readonly timer: NodeJS.Timeout;
}

const anything = Buffer.from('x');

export class Bins {
  readonly #carry: (uid: Uid, bin: OwnedFd) => void;
  readonly #bins = new Map<Uid, Bin>();
  /** Bins that could not be handed over just now. */
  readonly #left: OwnedFd[] = [];
  #retry: NodeJS.Timeout | undefined;

  /** `carry` takes a bin and has it closed, unless it throws. */
  constructor(carry: (uid: Uid, bin: OwnedFd) => void) {
    this.#carry = carry;
  }

  /** Takes the connection. */
  put(uid: Uid, connection: OwnedFd): void {
    try {
      const bin = this.#bins.get(uid) ?? this.#open(uid);
      // Ours is not the last copy then: closing it waits for nobody.
      if (!addon().send(bin.ours.borrow(), anything, [connection.borrow()])) throw new Error('it is full');
      connection[Symbol.dispose]();
      bin.count += 1;
      if (bin.count >= mostInBin) this.#empty(uid);
    } catch {
      // ETOOMANYREFS: sockets in sockets in sockets cannot be sent on before Linux 6.10.
      this.#closeAside(connection);
    }
  }

  #open(uid: Uid): Bin {
    const [ours, theirs] = addon().socketPair();
    const timer = setTimeout(() => this.#empty(uid), fillMs);
    const bin = { ours: new OwnedFd(ours), theirs: new OwnedFd(theirs), count: 0, timer };
    this.#bins.set(uid, bin);
    return bin;
  }

  #empty(uid: Uid): void {
    const bin = this.#bins.get(uid);
    if (bin === undefined) return;
    clearTimeout(bin.timer);
    this.#bins.delete(uid);
    bin.ours[Symbol.dispose]();
    try {
      this.#carry(uid, bin.theirs);
    } catch {
      this.#closeAside(bin.theirs);
    }
  }

  /** The last resort: a thread of ours, which may wait for as long as a client likes. There are few. */
  #closeAside(connection: OwnedFd): void {
    if (addon().closeAside(connection.borrow())) {
      connection.handOver(() => undefined);
      return;
    }
    this.#left.push(connection);
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      for (const one of this.#left.splice(0)) this.#closeAside(one);
    }, fillMs);
  }
}

// Sockets of the service manager and its journal: those that it opened for us, and datagrams to it.

import { OwnedFd } from '../../lib/fd.ts';
import { addon } from '../addon.ts';

export interface InheritedSocket {
  readonly fd: OwnedFd;
  /** Where it listens; "" for what is no listening socket with a path. */
  readonly path: string;
  readonly seqpacket: boolean;
}

/** Takes over a descriptor that we were started with. Throws EBADF where there is none. */
export function inheritSocket(number: number): InheritedSocket {
  return { ...addon().inherit(number), fd: new OwnedFd(number) };
}

/** Sends one message and never waits. Throws where nobody takes it now (ECONNREFUSED, ENOENT, EAGAIN, EMSGSIZE). */
export function sendDatagram(path: string, data: Buffer): void {
  addon().datagram(path, data);
}

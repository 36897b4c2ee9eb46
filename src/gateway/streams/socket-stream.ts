// Reads and writes a pipe or a connected stream socket that the monitor has handed over.

import { Socket } from 'node:net';
import type { OwnedFd } from '../../lib/fd.ts';
import type { Sink, Source } from './stream.ts';

export class SocketStream implements Source, Sink {
  readonly #socket: Socket;
  /** One piece at a time is with Node, which says of all that it has only together that they are written. */
  readonly #unwritten: { readonly bytes: Buffer; readonly taken: () => void }[] = [];
  #writing = false;
  #ending = false;
  #closing = false;
  #closed = false;

  /** Takes a socket over; whatever fails in it is its end. */
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => this.close());
  }

  /** `direction`: of a pipe, the one that it has. */
  static of(fd: OwnedFd, direction?: 'in' | 'out'): SocketStream {
    const socket = fd.handOver(
      (number) =>
        new Socket({
          fd: number,
          readable: direction !== 'out',
          writable: direction !== 'in',
          allowHalfOpen: true,
        }),
    );
    return new SocketStream(socket);
  }

  read(data: (bytes: Buffer) => void, end: () => void): void {
    let ended = false;
    const once = (): void => {
      if (!ended) end();
      ended = true;
    };
    this.#socket.on('data', data);
    this.#socket.on('end', once);
    this.#socket.on('close', once);
    // One that was accepted stands still until somebody says so.
    this.#socket.resume();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  write(bytes: Buffer, taken: () => void): void {
    if (this.#closed || !this.#socket.writable) taken();
    else this.#unwritten.push({ bytes, taken });
    this.#next();
  }

  #next(): void {
    if (this.#writing || this.#closed) return;
    const piece = this.#unwritten.shift();
    if (piece === undefined) {
      if (this.#ending) this.#socket.end(() => this.#closing && this.#socket.destroy());
      return;
    }
    this.#writing = true;
    this.#socket.write(piece.bytes, () => {
      this.#writing = false;
      piece.taken();
      this.#next();
    });
  }

  end(): void {
    this.#ending = true;
    this.#next();
  }

  /** Once what was written before end() is out. */
  close(): void {
    if (this.#ending && this.#writing && !this.#socket.destroyed) {
      this.#socket.pause();
      this.#closing = true;
      return;
    }
    this.#closed = true;
    this.#socket.destroy();
    for (const { taken } of this.#unwritten.splice(0)) taken();
  }
}

// Reads and writes the master of a session's terminal. Not by a stream of Node's: libuv writes to such a master without ever
// giving way, and a program that does not read would stop the whole connection.

import { readSync, writeSync } from 'node:fs';
import { addon } from '../../isolation/addon.ts';
import { hasErrno } from '../../lib/errors.ts';
import type { OwnedFd } from '../../lib/fd.ts';
import type { Sink, Source } from './stream.ts';

/** A terminal gives at most 4 KiB at a time. */
const pieceBytes = 16 * 1024;

export class TerminalStream implements Source, Sink {
  readonly #fd: OwnedFd;
  readonly #unwritten: { bytes: Buffer; readonly taken: () => void }[] = [];
  #stopReading: (() => void) | undefined;
  #retry: NodeJS.Timeout | undefined;
  #data: (bytes: Buffer) => void = () => {};
  #end: (() => void) | undefined;
  #closed = false;

  /** Takes a master that does not block. */
  constructor(fd: OwnedFd) {
    this.#fd = fd.move();
  }

  read(data: (bytes: Buffer) => void, end: () => void): void {
    this.#data = data;
    this.#end = end;
    this.resume();
  }

  pause(): void {
    this.#stopReading?.();
    this.#stopReading = undefined;
  }

  resume(): void {
    if (this.#closed || this.#end === undefined || this.#stopReading !== undefined) return;
    this.#stopReading = addon().poll(this.#fd.borrow(), () => this.#readable());
  }

  #readable(): void {
    const bytes = Buffer.allocUnsafe(pieceBytes);
    let length = 0;
    try {
      length = readSync(this.#fd.borrow(), bytes);
    } catch (error) {
      if (hasErrno(error, 'EAGAIN')) return;
      // EIO: nobody has the terminal open any more, which is its end of file.
    }
    if (length > 0) {
      this.#data(bytes.subarray(0, length));
      return;
    }
    this.pause();
    const end = this.#end;
    this.#end = undefined;
    end?.();
  }

  write(bytes: Buffer, taken: () => void): void {
    if (this.#closed) taken();
    else this.#unwritten.push({ bytes, taken });
    if (this.#retry === undefined) this.#flush();
  }

  #flush(): void {
    this.#retry = undefined;
    for (let next = this.#unwritten[0]; next !== undefined; next = this.#unwritten[0]) {
      let length = next.bytes.length;
      try {
        length = writeSync(this.#fd.borrow(), next.bytes);
      } catch (error) {
        if (hasErrno(error, 'EAGAIN')) length = 0;
        // EIO: nobody has it open any more, and nobody wants this.
      }
      if (length < next.bytes.length) {
        next.bytes = next.bytes.subarray(length);
        // A program that reads slowly: more than its terminal holds is rare enough for a look now and then.
        this.#retry = setTimeout(() => this.#flush(), 5);
        return;
      }
      this.#unwritten.shift();
      next.taken();
    }
  }

  /** A terminal has no end of its own in this direction: what would be one is a character (VEOF). */
  end(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.pause();
    clearTimeout(this.#retry);
    for (const { taken } of this.#unwritten.splice(0)) taken();
    this.#fd[Symbol.dispose]();
  }
}

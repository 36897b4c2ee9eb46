// Reads and writes the master of a session's terminal. Not by a stream of Node's: libuv writes to such a master without ever
// giving way, and a program that does not read would stop the whole connection.

import { readSync, writeSync } from 'node:fs';
import { addon } from '../../isolation/addon.ts';
import { hasErrno } from '../../lib/errors.ts';
import type { OwnedFd } from '../../lib/fd.ts';
import type { Sink, Source } from './stream.ts';

/** A terminal gives at most 4 KiB at a time. */
const pieceBytes = 16 * 1024;
/** What addon().poll() waits for. */
const readable = 1;
const writable = 2;

export class TerminalStream implements Source, Sink {
  readonly #fd: OwnedFd;
  readonly #unwritten: { bytes: Buffer; readonly taken: () => void }[] = [];
  #stop: (() => void) | undefined;
  #awaited = 0;
  #paused = true;
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
    this.#paused = true;
    this.#await();
  }

  resume(): void {
    this.#paused = false;
    this.#await();
  }

  /** Hears of what it has a use for now, and of nothing else: a terminal can be written to most of the time. */
  #await(): void {
    const reads = !this.#paused && this.#end !== undefined;
    const awaited = this.#closed ? 0 : (reads ? readable : 0) | (this.#unwritten.length > 0 ? writable : 0);
    if (awaited === this.#awaited) return;
    this.#awaited = awaited;
    this.#stop?.();
    this.#stop =
      awaited === 0
        ? undefined
        : addon().poll(
            this.#fd.borrow(),
            (events) => {
              if ((events & writable) !== 0) this.#flush();
              if ((events & readable) !== 0 && !this.#closed) this.#read();
            },
            awaited,
          );
  }

  #read(): void {
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
    const end = this.#end;
    this.#end = undefined;
    this.#await();
    end?.();
  }

  write(bytes: Buffer, taken: () => void): void {
    if (this.#closed) taken();
    else this.#unwritten.push({ bytes, taken });
    // Else it waits until more can be written.
    if ((this.#awaited & writable) === 0) this.#flush();
  }

  #flush(): void {
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
        break;
      }
      this.#unwritten.shift();
      next.taken();
    }
    this.#await();
  }

  /** Columns, rows, and both in pixels. At once: what is typed behind it comes to a terminal of this size. */
  resize(size: readonly number[]): void {
    const [columns = 0, rows = 0, width = 0, height = 0] = size;
    if (!this.#closed) addon().resizeTerminal(this.#fd.borrow(), columns, rows, width, height);
  }

  /** A terminal has no end of its own in this direction: what would be one is a character (VEOF). */
  end(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#await();
    for (const { taken } of this.#unwritten.splice(0)) taken();
    this.#fd[Symbol.dispose]();
  }
}

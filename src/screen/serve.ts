// Answers the keeper of a session: takes its frames and gives back checkpoints and redraws. Holds one emulator, and
// output that the emulator has not been shown yet: the more of it comes at a time, the more can be left out.

import { decodeCheckpoint } from './checkpoint/decode.ts';
import { encodeCheckpoint } from './checkpoint/encode.ts';
import { Emulator } from './emulator/emulator.ts';
import { type Frame, frame, MalformedFrame } from './frames.ts';
import type { Size } from './limits.ts';
import { redraw } from './redraw/redraw.ts';

/** Output that waits. */
const BACKLOG = 1024 * 1024;
const FIRST: Size = { columns: 80, rows: 24 };

function sizeIn({ payload }: Frame): Size {
  return { columns: payload.readUInt16LE(0), rows: payload.readUInt16LE(2) };
}

export class Screen {
  readonly #scrollback: number;
  #emulator: Emulator | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #taken = 0n;

  constructor(scrollback: number) {
    this.#scrollback = scrollback;
  }

  /** What is to be sent for a frame. */
  answer(asked: Frame): Buffer[] {
    if (this.#emulator === undefined) {
      this.#begin(asked);
      return [];
    }
    switch (asked.type) {
      case 'o':
        return [this.#take(asked.payload)];
      case 'r':
        this.#caughtUp(this.#emulator).resize(sizeIn(asked));
        return [];
      case 'c':
        return [frame('C', encodeCheckpoint(this.#caughtUp(this.#emulator)))];
      case 's':
        return [frame('S', redraw(this.#caughtUp(this.#emulator), sizeIn(asked), asked.payload[4] === 1))];
      default:
        throw new MalformedFrame('a second checkpoint to begin from');
    }
  }

  #begin({ type, payload }: Frame): void {
    if (type !== 'k') throw new MalformedFrame('the first frame is no checkpoint to begin from');
    this.#emulator =
      payload.length === 0
        ? new Emulator(FIRST, this.#scrollback)
        : decodeCheckpoint(payload, this.#scrollback);
  }

  #take(output: Buffer): Buffer {
    this.#waiting.push(Buffer.from(output));
    this.#waitingBytes += output.length;
    this.#taken += BigInt(output.length);
    if (this.#waitingBytes >= BACKLOG && this.#emulator !== undefined) this.#caughtUp(this.#emulator);
    const taken = Buffer.alloc(8);
    taken.writeBigUInt64LE(this.#taken);
    return frame('A', taken);
  }

  #caughtUp(emulator: Emulator): Emulator {
    const output = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    emulator.write(output);
    return emulator;
  }
}

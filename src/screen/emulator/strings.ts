// Collects the strings of escape sequences (titles, links, colours) up to a bound: the emulator's own handlers would
// collect ten million characters. One that is longer is dropped as a whole, as terminals do.

import { STRING } from '../limits.ts';
import type { Parser, StringHandler } from './internals.ts';

const CHUNK = 4096;

function textOf(data: Uint32Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i += CHUNK) {
    text += String.fromCodePoint(...data.subarray(i, Math.min(end, i + CHUNK)));
  }
  return text;
}

/** A handler of OSC (`start`, `end`) or DCS (`hook`, `unhook`) strings. */
export class BoundedString implements StringHandler {
  text = '';
  tooLong = false;
  readonly #take: (text: string) => boolean;

  constructor(take: (text: string) => boolean) {
    this.#take = take;
  }

  start(): void {
    this.text = '';
    this.tooLong = false;
  }

  hook(): void {
    this.start();
  }

  put(data: Uint32Array, start: number, end: number): void {
    if (this.tooLong) return;
    if (end - start + this.text.length > STRING) {
      this.tooLong = true;
      this.text = '';
    } else {
      this.text += textOf(data, start, end);
    }
  }

  end(success: boolean): boolean {
    const { text, tooLong } = this;
    this.start();
    return tooLong || !success || this.#take(text);
  }

  unhook(success: boolean): boolean {
    return this.end(success);
  }
}

/** Replaces the emulator's handlers of OSC strings by bounded ones, and takes those of DCS away: all ask something. */
export function boundStrings(parser: Parser): void {
  const { _handlers: handlers } = parser._oscParser;
  for (const [id, list] of Object.entries(handlers)) {
    handlers[Number(id)] = list.map((handler) => {
      const { _handler: take } = handler as unknown as { _handler(text: string): boolean };
      return new BoundedString((text) => take(text));
    });
  }
  parser._dcsParser._handlers = Object.create(null) as Record<number, StringHandler[]>;
}

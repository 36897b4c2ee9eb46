// Writes a redraw: text and escape sequences, and no attribute twice.

import type { Emulator } from '../emulator/emulator.ts';
import { BG } from '../emulator/internals.ts';
import { REDRAW } from '../limits.ts';
import { type Look, linkOf, plain, renditionOf, sameLook } from './look.ts';

/** A redraw has become longer than REDRAW. */
export class TooLong extends Error {
  override readonly name = 'TooLong';
}

export class Pen {
  #text = '';
  #look: Look = plain;
  readonly #emulator: Emulator;

  constructor(emulator: Emulator) {
    this.#emulator = emulator;
  }

  get text(): string {
    return this.#text;
  }

  put(text: string): void {
    this.#text += text;
    if (this.#text.length > REDRAW) throw new TooLong('a redraw is too long');
  }

  csi(sequence: string): void {
    this.put(`\x1b[${sequence}`);
  }

  look(look: Look): void {
    const now = this.#look;
    if (sameLook(look, now)) return;
    if (!sameLook({ ...look, link: 0 }, { ...now, link: 0 })) {
      // On terminals other than the emulator attributes and protection go by themselves.
      if ((now.bg & BG.protected) !== 0 && (look.bg & BG.protected) === 0) this.csi('0"q');
      this.put(renditionOf(look));
    }
    if (look.link !== now.link) this.put(linkOf(look.link, this.#emulator.links));
    this.#look = look;
  }

  /** Says attributes even where they are what they were: a mark that comes next is then not about the text before. */
  part(look: Look): void {
    this.look(look);
    this.put(renditionOf(look));
  }

  /** Restores the saved cursor, for the sake of its character set; its attributes are taken off again. */
  restore(): void {
    this.put(`\x1b8${renditionOf(plain)}\x1b]8;;\x1b\\\x1b[0"q`);
    this.#look = plain;
  }

  /** Row and column from 1. */
  to(row: number, column: number): void {
    this.csi(`${row};${column}H`);
  }
}

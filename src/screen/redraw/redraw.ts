// Makes what a terminal has to be sent to show a session as if it had been shown all of it: the scrollback, the screen,
// and everything that later output depends on. The terminal may be any and in any state: it may have shown an
// earlier moment of the same session, in the middle of a sequence. What it had above is pushed up, not erased.

import type { Emulator } from '../emulator/emulator.ts';
import type { Line, ScreenBuffer } from '../emulator/internals.ts';
import { REDRAW, type Size } from '../limits.ts';
import { placeCursor, saveCursor } from './cursor.ts';
import { coloursOf, keysOf, modesOf, otherKeysOf, reset, tabsOf, titlesOf } from './modes.ts';
import { Painter } from './paint.ts';
import { Pen, TooLong } from './pen.ts';

const CAN = '\x18';
const ALTERNATE = '\x1b[?1049h';

function linesOf({ lines }: ScreenBuffer, first: number): Line[] {
  return Array.from({ length: Math.max(0, lines.length - first) }, (_, i) => lines.get(first + i)).filter(
    (line) => line !== undefined,
  );
}

class Redraw {
  readonly #pen: Pen;
  readonly #emulator: Emulator;
  readonly #terminal: Size;
  /** Rows of the session's screen that a terminal with fewer does not show. */
  readonly #rowsAbove: number;

  constructor(emulator: Emulator, terminal: Size) {
    this.#pen = new Pen(emulator);
    this.#emulator = emulator;
    this.#terminal = terminal;
    this.#rowsAbove = Math.max(0, emulator.size.rows - terminal.rows);
  }

  /** In place: on a terminal that has shown the session before, and whose scrollback is left as it is. */
  make(scrollbackFrom: number, inPlace: boolean, withCells = true): Buffer {
    const { core, normal, alternate, onAlternate, extras, unended, pending } = this.#emulator;
    const { keyboard } = extras.state;
    this.#begin(inPlace);
    if (withCells) this.#lines(normal, scrollbackFrom);
    this.#pen.put(tabsOf(normal.tabs, this.#emulator.size.columns));
    if (keyboard.used) this.#pen.put(keysOf(keyboard.main));
    if (onAlternate) {
      this.#margins(normal);
      saveCursor(this.#pen, this.#emulator, normal, ALTERNATE);
      // On most terminals both screens have the same margins.
      this.#pen.put('\x1b[r\x1b[H\x1b[J');
      if (withCells) this.#lines(alternate, 0);
      const tabs = tabsOf(alternate.tabs, this.#emulator.size.columns);
      if (!tabs.endsWith('W')) this.#pen.put(tabs);
      if (keyboard.used) this.#pen.put(keysOf(keyboard.alternate));
      saveCursor(this.#pen, this.#emulator, alternate, '\x1b7');
    } else {
      this.#leaveSavedOnAlternate();
      saveCursor(this.#pen, this.#emulator, normal, '\x1b7');
    }
    this.#margins(this.#emulator.active);
    this.#pen.put(titlesOf(this.#emulator) + coloursOf(this.#emulator) + otherKeysOf(this.#emulator));
    this.#pen.put(modesOf(this.#emulator));
    if (core.coreService.decPrivateModes.origin) this.#pen.csi('?6h');
    placeCursor(this.#pen, this.#emulator, this.#rowsAbove, this.#terminal.columns);
    return Buffer.concat([Buffer.from(this.#pen.text), unended.bytes, pending]);
  }

  /** Ends whatever the terminal is in, pushes up what it shows, and begins on an empty screen. */
  #begin(inPlace: boolean): void {
    const up = inPlace ? '' : '\n'.repeat(Math.max(0, this.#terminal.rows - 1));
    this.#pen.put(`${CAN}\x1b[?1047l\x1b[!p\x1b[0m${up}${reset}\x1b[H\x1b[J`);
  }

  /** All lines of a buffer, so that its screen is at the top of the terminal. */
  #lines(buffer: ScreenBuffer, first: number): void {
    const { columns, rows } = this.#emulator.size;
    const lines = linesOf(buffer, first);
    const sameWidth = this.#terminal.columns === columns && this.#terminal.rows > 1;
    new Painter(this.#pen, Math.min(columns, this.#terminal.columns), sameWidth).paint(lines);
    const tooLow = Math.min(lines.length, this.#terminal.rows) - Math.min(rows, this.#terminal.rows);
    if (tooLow <= 0) return;
    this.#pen.to(this.#terminal.rows, 1);
    this.#pen.put('\n'.repeat(tooLow));
  }

  /** What was saved on the alternate screen stays saved, unless nothing ever was. */
  #leaveSavedOnAlternate(): void {
    const { savedX, savedY, savedCurAttrData, savedCharset } = this.#emulator.alternate;
    const { keyboard } = this.#emulator.extras.state;
    const keys = keyboard.alternate.flags !== 0 || keyboard.alternate.stack.length > 0;
    const saved = savedX + savedY > 0 || savedCurAttrData.fg !== 0 || savedCurAttrData.bg !== 0;
    if (!saved && savedCharset === undefined && !keys) return;
    this.#pen.csi('?1047h');
    if (keys) this.#pen.put(keysOf(keyboard.alternate));
    saveCursor(this.#pen, this.#emulator, this.#emulator.alternate, '\x1b7');
    this.#pen.csi('?1047l');
  }

  #margins({ scrollTop, scrollBottom }: ScreenBuffer): void {
    const { rows } = this.#emulator.size;
    const top = Math.max(0, scrollTop - this.#rowsAbove);
    const bottom = Math.min(this.#terminal.rows - 1, scrollBottom - this.#rowsAbove);
    if (rows === this.#terminal.rows && top === 0 && bottom === rows - 1) return;
    if (bottom > top) this.#pen.csi(`${top + 1};${bottom + 1}r`);
  }
}

/** At most REDRAW bytes: where colours and marks without any pattern would take more, the oldest lines are left out. */
export function redraw(emulator: Emulator, terminal: Size, inPlace = false): Buffer {
  const { ybase } = emulator.normal;
  for (const share of inPlace ? [1] : [0, 0.5, 0.75, 0.9, 1]) {
    try {
      const made = new Redraw(emulator, terminal).make(Math.floor(ybase * share), inPlace);
      if (made.length <= REDRAW) return made;
    } catch (error) {
      if (!(error instanceof TooLong)) throw error;
    }
  }
  // A screen of nothing but noise: its program will draw something else.
  return new Redraw(emulator, terminal).make(ybase, inPlace, false);
}

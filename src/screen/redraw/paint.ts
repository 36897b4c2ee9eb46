// Paints lines on an empty screen, from the cursor at its top left: those that there is no room for go where a
// terminal keeps its scrollback. Cells without a character are left empty, and a line that goes on in the next one is
// made to, so that a terminal that is resized or copied from finds what it would have found.

import { CELL, COLOUR, CONTENT, type Line } from '../emulator/internals.ts';
import { lookAt, plain, sameLook } from './look.ts';
import type { Pen } from './pen.ts';

function contentAt(line: Line, x: number): number {
  return line._data[x * CELL] ?? 0;
}

export function widthAt(line: Line, x: number): number {
  return contentAt(line, x) >>> CONTENT.widthShift;
}

export function hasText(line: Line, x: number): boolean {
  return (contentAt(line, x) & CONTENT.any) !== 0;
}

/** Whether a cell is the right half of the character to its left. */
export function isRightHalf(line: Line, x: number): boolean {
  return x > 0 && widthAt(line, x) === 0 && !hasText(line, x) && widthAt(line, x - 1) === 2;
}

function startOf(line: Line, x: number): number {
  return isRightHalf(line, x) ? x - 1 : x;
}

/** An empty cell with attributes: what is left of a wide character when half of it is overwritten. */
function isShadow(line: Line, x: number): boolean {
  return !hasText(line, x) && !isErased(line, x) && !isRightHalf(line, x);
}

/** Whether there is nothing in a cell, and it looks as one that was erased. */
function isErased(line: Line, x: number): boolean {
  const { fg, bg, underline, link } = lookAt(line, x);
  return !hasText(line, x) && fg === 0 && underline === 0 && link === 0 && bg >>> 26 === 0;
}

/** Of the background's word, the colour. */
const COLOUR_WORD = COLOUR.mode | COLOUR.value;
/** Wide, and nothing to be seen. */
const shadow = '\u3000';

export class Painter {
  readonly #pen: Pen;
  readonly #columns: number;
  /** Whether lines end where those of the terminal end, so that it can be made to go on in the next one. */
  readonly #canWrap: boolean;

  constructor(pen: Pen, columns: number, canWrap: boolean) {
    this.#pen = pen;
    this.#columns = columns;
    this.#canWrap = canWrap;
  }

  paint(lines: readonly Line[]): void {
    for (const [i, line] of lines.entries()) {
      const next = lines[i + 1];
      const goesOn = this.#canWrap && next?.isWrapped === true;
      const how = goesOn ? this.#howItGoesOn(line, next) : 'made';
      this.#paintFrom(line, 0, how === 'wide' ? this.#columns - 1 : this.#columns);
      if (next === undefined) break;
      if (!goesOn) this.#nextLine();
      else if (how === 'wide') this.#pen.csi(`${this.#columns}G`);
      else if (how === 'made') this.#makeGoOn(line);
    }
    this.#pen.look(plain);
  }

  #nextLine(): void {
    // A line that scrolls in has the colour that is behind text at that moment.
    this.#pen.look(plain);
    this.#pen.put('\r\n');
  }

  /**
   * Whether the first character of the next line gets there because this one is full, or because it is wide and there
   * is one column left; else it has to be made to.
   */
  #howItGoesOn(line: Line, next: Line): 'full' | 'wide' | 'made' {
    const last = this.#columns - 1;
    const first = lookAt(next, 0);
    // The next line scrolls in with the colour behind its first character.
    if (isShadow(next, last)) return 'made'; // which is not begun with its first character
    if (!hasText(next, 0) || widthAt(next, 0) === 0 || (first.bg & COLOUR_WORD) !== 0) return 'made';
    if ((hasText(line, last) && widthAt(line, last) === 1) || isRightHalf(line, last)) return 'full';
    const leftOver = !hasText(line, last) && widthAt(line, last) === 1 && sameLook(lookAt(line, last), first);
    return leftOver && widthAt(next, 0) === 2 ? 'wide' : 'made';
  }

  /** Fills this line, which puts the next character into the next one, and takes both back. */
  #makeGoOn(line: Line): void {
    const last = this.#columns - 1;
    const pen = this.#pen;
    pen.look(plain);
    pen.csi(`${this.#columns}G`);
    pen.put('  ');
    pen.csi('A');
    // What stands in the last column is painted again, with what that takes from the one before.
    let from = last;
    while (from > 0 && isShadow(line, from)) from -= 1;
    from = startOf(line, from);
    pen.csi(`${from + 1}G`);
    pen.csi(`${this.#columns - from}X`);
    this.#paintFrom(line, from, this.#columns);
    pen.look(plain);
    pen.put('\r');
    pen.csi('B');
    pen.csi('X');
  }

  /** The cells from a column on, where the cursor is; they are empty. */
  #paintFrom(line: Line, from: number, columns: number): void {
    const pen = this.#pen;
    let skipped = 0;
    const catchUp = (): void => {
      if (skipped > 0) pen.csi(skipped === 1 ? 'C' : `${skipped}C`);
      skipped = 0;
    };
    const end = columns === this.#columns ? this.#paintLastShadows(line, from) : columns;
    for (let x = from; x < end; ) {
      if (isErased(line, x)) {
        const run = this.#erasedRun(line, x, end);
        const look = lookAt(line, x);
        if (look.bg !== 0) {
          catchUp();
          pen.look(look);
          pen.csi(run === 1 ? 'X' : `${run}X`);
        }
        skipped += run;
        x += run;
      } else {
        catchUp();
        pen.look(lookAt(line, x));
        x += this.#paintCell(line, x, end);
      }
    }
  }

  #erasedRun(line: Line, from: number, columns: number): number {
    const look = lookAt(line, from);
    let x = from + 1;
    while (x < columns && isErased(line, x) && sameLook(lookAt(line, x), look)) x += 1;
    return x - from;
  }

  /** A cell with a character; or one without which looks as one with. Gives the columns that it takes. */
  #paintCell(line: Line, x: number, columns: number): number {
    const pen = this.#pen;
    const width = widthAt(line, x);
    if (!hasText(line, x)) {
      this.#paintShadow(x);
      return 1;
    }
    if (width === 0) {
      // A mark that stands by itself: whatever is between it and a character keeps it there.
      pen.csi(`${x + 1}G`);
      pen.put(line.getString(x));
      return 1;
    }
    if (width === 2 && (x + 1 >= columns || !isRightHalf(line, x + 1))) {
      // The left half of a wide character alone.
      pen.put(' ');
      return 1;
    }
    pen.put(line.getString(x));
    return width;
  }

  /** Half of a wide character is overwritten from the right. */
  #paintShadow(x: number): void {
    const pen = this.#pen;
    const right = `${x + 2}G`;
    pen.put(shadow);
    pen.csi(right);
    pen.put(' ');
    pen.csi(right);
    pen.look(plain);
    pen.csi('X');
  }

  /** Those at the end of a line from the left, before anything else is painted. Gives the column of the first. */
  #paintLastShadows(line: Line, from: number): number {
    const pen = this.#pen;
    let x = this.#columns;
    for (; x - 1 > from && isShadow(line, x - 1); x -= 1) {
      const left = `${x - 1}G`;
      pen.csi(left);
      pen.look(lookAt(line, x - 1));
      pen.put(shadow);
      pen.csi(left);
      pen.put(' ');
      pen.csi(left);
      pen.look(plain);
      pen.csi('X');
    }
    if (x < this.#columns) pen.csi(`${from + 1}G`);
    return x;
  }
}

// Puts the cursor of a redraw where it is, with all that depends on the character written last: a cursor behind the
// last column stays there until the next character, and a mark that comes next, or "repeat it", is about that one.

import type { Emulator } from '../emulator/emulator.ts';
import { type Charset, charsetsOf, type Line, type ScreenBuffer } from '../emulator/internals.ts';
import { lookAt, lookNow, penNow, plain, sameLook, savedLook } from './look.ts';
import { hasText, isRightHalf, widthAt } from './paint.ts';
import type { Pen } from './pen.ts';

/** The character written last is written once more: where it begins, and whether the next mark is to join it. */
interface Again {
  readonly column: number;
  readonly line: Line;
  readonly joins: boolean;
}

function changedBy(charset: Charset, text: string): boolean {
  return charset?.[text] !== undefined;
}

/** Undefined where the cursor can simply be moved, or no character is left to write. */
export function again({ core, active, size }: Emulator): Again | undefined {
  const { precedingJoinState } = core._inputHandler._parser;
  const line = active.lines.get(active.ybase + active.y);
  if (line === undefined) return undefined;
  const width = (precedingJoinState >>> 1) & 3;
  const column = active.x - width;
  if (width > 0 && column >= 0 && hasText(line, column) && widthAt(line, column) === width) {
    const now = lookNow(core._inputHandler._curAttrData);
    const charset = core._charsetService.charset;
    if (sameLook(lookAt(line, column), now) && !changedBy(charset, line.getString(column))) {
      return { column, line, joins: true };
    }
  }
  if (active.x < size.columns) return undefined;
  const last = size.columns - 1;
  const start = isRightHalf(line, last) ? last - 1 : last;
  if (!hasText(line, start) || widthAt(line, start) !== size.columns - start) return undefined;
  return { column: start, line, joins: false };
}

/** Row and column of the cursor from 1, as CSI H counts them now. */
function position({ core, active, size }: Emulator, column: number, rowsAbove: number): [number, number] {
  const first = core.coreService.decPrivateModes.origin ? active.scrollTop : rowsAbove;
  return [Math.max(0, active.y - first) + 1, Math.min(column, size.columns - 1) + 1];
}

/** The last of a redraw: character sets, insert mode, attributes, and the cursor. */
export function placeCursor(pen: Pen, emulator: Emulator, rowsAbove: number, columns: number): void {
  const { core } = emulator;
  const { _curAttrData } = core._inputHandler;
  const insert = core.coreService.modes.insertMode;
  const restored = isRestored(emulator);
  if (restored) {
    designate(pen, emulator);
    pen.restore();
  }
  // On a terminal with fewer columns it would be written over another one.
  const written = emulator.size.columns > columns ? undefined : again(emulator);
  if (written?.joins === true) {
    if (!restored) designate(pen, emulator);
    pen.to(...position(emulator, written.column, rowsAbove));
    pen.look(penNow(_curAttrData));
    // In insert mode it comes back to where it is taken away.
    if (insert) pen.csi(`${widthAt(written.line, written.column)}P\x1b[4h`);
    pen.put(written.line.getString(written.column));
    return;
  }
  pen.to(...position(emulator, written?.column ?? emulator.active.x, rowsAbove));
  if (written !== undefined) {
    pen.look(lookAt(written.line, written.column));
    pen.put(written.line.getString(written.column));
  }
  pen.part(penNow(_curAttrData));
  if (!restored) designate(pen, emulator);
  if (insert) pen.csi('4h');
}

/** Restoring a cursor restores its character set, and leaves G0 to G3 and the shift as they are. */
function isRestored({ core, active }: Emulator): boolean {
  const { charset, glevel, _charsets: sets } = core._charsetService;
  return charset !== sets[glevel] && charset === active.savedCharset;
}

const shifts = ['\x0f', '\x0e', '\x1bn', '\x1bo'] as const;

/** Character sets G0 to G3, and which of them is in use. */
function designate(pen: Pen, { core }: Emulator): void {
  const { _charsets: sets, glevel } = core._charsetService;
  const letters = charsetsOf(core);
  for (const [level, slot] of ['(', ')', '*', '+'].entries()) {
    const letter = letters.get(sets[level]) ?? 'B';
    if (letter !== 'B') pen.put(`\x1b${slot}${letter}`);
  }
  if (glevel > 0) pen.put(shifts[glevel] ?? '');
}

/** Saves a cursor as a buffer has it saved. */
export function saveCursor(pen: Pen, emulator: Emulator, buffer: ScreenBuffer, how: string): void {
  const { columns, rows } = emulator.size;
  const { savedX, savedY, ybase, savedCurAttrData, savedCharset } = buffer;
  const letter = charsetsOf(emulator.core).get(savedCharset) ?? 'B';
  const row = Math.min(rows - 1, Math.max(0, savedY - ybase));
  pen.to(row + 1, Math.min(savedX, columns - 1) + 1);
  pen.look(savedLook(savedCurAttrData));
  pen.put(letter === 'B' ? how : `\x1b(${letter}${how}\x1b(B`);
  pen.look(plain);
}

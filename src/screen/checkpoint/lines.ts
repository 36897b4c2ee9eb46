// Writes the lines of a buffer into a checkpoint and reads them back, cell by cell. Cells at the end of a line that
// are all the same are written once.

import {
  type Attributes,
  BG,
  CELL,
  CONTENT,
  type Extended,
  type Line,
  newExtended,
  newLine,
  type ScreenBuffer,
} from '../emulator/internals.ts';
import { CELL_TEXT, COLUMNS } from '../limits.ts';
import { type ByteReader, type ByteWriter, MalformedCheckpoint } from './bytes.ts';

/** Underline styles and links of cells, each pair once. Index 0 stands for a cell that says it has one and has not. */
export class ExtendedTable {
  readonly pairs: [number, number][] = [[0, 0]];
  readonly #known = new Map<string, number>();

  indexOf(extended: Extended | undefined): number {
    if (extended === undefined) return 0;
    const key = `${extended._ext} ${extended._urlId}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.pairs.length);
    return this.pairs.push([extended._ext, extended._urlId]) - 1;
  }
}

function isPlain(content: number, bg: number): boolean {
  return (content & CONTENT.combined) === 0 && (bg & BG.extended) === 0;
}

/** How many cells have to be written: those behind are like the last of them. */
function kept({ _data: data, length }: Line): number {
  const last = (length - 1) * CELL;
  if (length === 0 || !isPlain(data[last] ?? 0, data[last + 2] ?? 0)) return length;
  let from = last;
  while (from > 0 && [0, 1, 2].every((word) => data[from - CELL + word] === data[last + word])) from -= CELL;
  return from / CELL + 1;
}

function writeLine(to: ByteWriter, line: Line, table: ExtendedTable, withMarks: boolean): void {
  const cells = kept(line);
  to.u16(line.length);
  to.u16(cells);
  to.u8(line.isWrapped ? 1 : 0);
  const words = line._data.slice(0, cells * CELL);
  const texts: number[] = [];
  for (let x = 0; x < cells; x += 1) {
    if (((words[x * CELL] ?? 0) & CONTENT.combined) === 0) continue;
    if (withMarks) texts.push(x);
    else words[x * CELL] = ((words[x * CELL] ?? 0) & ~CONTENT.any) | (line._combined[x]?.codePointAt(0) ?? 0);
  }
  to.raw(Buffer.from(words.buffer));
  for (const x of texts) {
    const text = Buffer.from(line._combined[x] ?? '', 'utf16le');
    to.u8(text.length);
    to.raw(text);
  }
  for (let x = 0; x < cells; x += 1) {
    if ((words[x * CELL + 2] ?? 0) & BG.extended) to.u32(table.indexOf(line._extendedAttrs[x]));
  }
}

/** Writes the lines from `first` on. */
export function writeLines(
  to: ByteWriter,
  { lines }: ScreenBuffer,
  first: number,
  table: ExtendedTable,
  withMarks: boolean,
): void {
  for (let i = first; i < lines.length; i += 1) {
    const line = lines.get(i);
    if (line !== undefined) writeLine(to, line, table, withMarks);
  }
}

function readLine(
  from: ByteReader,
  line: Line,
  cells: number,
  extended: readonly (Extended | undefined)[],
): void {
  const data = line._data;
  const words = from.raw(cells * CELL * 4);
  for (let i = 0; i < cells * CELL; i += 1) data[i] = words.readUInt32LE(i * 4);
  for (let i = cells * CELL; i < data.length; i += 1) data[i] = data[i - CELL] ?? 0;
  for (let x = 0; x < cells; x += 1) {
    if (((data[x * CELL] ?? 0) & CONTENT.combined) === 0) continue;
    const length = from.u8();
    if (length > 2 * (CELL_TEXT + 2) || length % 2 !== 0)
      throw new MalformedCheckpoint('a character is too long');
    line._combined[x] = from.raw(length).toString('utf16le');
  }
  for (let x = 0; x < cells; x += 1) {
    if (((data[x * CELL + 2] ?? 0) & BG.extended) === 0) continue;
    const index = from.u32();
    if (index >= extended.length) throw new MalformedCheckpoint('a cell has attributes that there are not');
    line._extendedAttrs[x] = extended[index];
  }
}

/** Reads `count` lines into a buffer, in place of those that it has. */
export function readLines(
  from: ByteReader,
  buffer: ScreenBuffer,
  count: number,
  attributes: Attributes,
  pairs: readonly (readonly [number, number])[],
): void {
  const extended = pairs.map(([ext, link], i) =>
    i === 0 ? undefined : newExtended(attributes.extended, ext, link),
  );
  buffer.lines.length = 0;
  for (let i = 0; i < count; i += 1) {
    const length = from.u16();
    const cells = from.u16();
    if (length > COLUMNS || cells > length || (cells === 0 && length > 0)) {
      throw new MalformedCheckpoint('a line is too long');
    }
    const line = newLine(buffer, attributes, length);
    line.isWrapped = from.u8() !== 0;
    readLine(from, line, cells, extended);
    buffer.lines.push(line);
  }
}

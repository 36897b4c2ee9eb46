// Bounds on what a screen may hold, whatever a program writes. Memory of the process follows from them:
// test/integration/screen measures it.

/** Lines that have left the screen at the top. */
export const SCROLLBACK = 1000;

/** Cells of a buffer, scrollback and screen: a wide terminal has fewer lines of scrollback. */
export const CELLS = 220_000;

/** Larger sizes are taken for these. */
export const COLUMNS = 1000;
export const CELLS_OF_SCREEN = 150_000;

/** UTF-16 units of a character with all its combining marks. */
export const CELL_TEXT = 16;

/** Characters of a title or of any other string in an escape sequence. */
export const STRING = 4096;

/** Bytes of an escape sequence whose end has not come yet: more than STRING characters. */
export const UNENDED = 20_480;

/** Hyperlinks at a time, and what they and their names may take. */
export const LINKS = 4096;
export const LINK_TEXT = 2083;
export const LINKS_TEXT = 262_144;

/** Bytes of a checkpoint, of a redraw, and of a frame of output. */
export const CHECKPOINT = 4 * 1024 * 1024;
export const REDRAW = 4 * 1024 * 1024;
export const OUTPUT = 1024 * 1024;

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** The size that a screen has where a terminal says this one. */
export function bounded({ columns, rows }: Size): Size {
  const width = Math.min(COLUMNS, Math.max(2, columns));
  return { columns: width, rows: Math.min(Math.floor(CELLS_OF_SCREEN / width), Math.max(1, rows)) };
}

/** Lines of scrollback at a size. */
export function scrollbackAt({ columns, rows }: Size, wanted: number): number {
  return Math.max(0, Math.min(wanted, Math.floor(CELLS / columns) - rows));
}

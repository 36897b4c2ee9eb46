// Tables for people: aligned columns that stay aligned with wide characters, and never a control
// character from somebody else's data on the administrator's terminal.

import { printable } from './printable.ts';

export interface Column {
  header: string;
  align?: 'left' | 'right';
}

const gap = '  ';
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

const noWidth = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;
// East Asian Width W and F (UAX #11) as far as scripts tell, and what is drawn as an emoji.
const twoColumns =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Script=Yi}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|\p{Emoji}\ufe0f/u;

/** Columns that the text takes on a terminal. */
export function displayWidth(text: string): number {
  return Array.from(segmenter.segment(text), ({ segment }) => graphemeWidth(segment)).reduce(
    (sum, width) => sum + width,
    0,
  );
}

function graphemeWidth(segment: string): number {
  if (noWidth.test(segment)) return 0;
  return twoColumns.test(segment) ? 2 : 1;
}

/** The text, cut to at most `width` columns; what was cut is an ellipsis. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  let used = 1;
  for (const { segment } of segmenter.segment(text)) {
    used += graphemeWidth(segment);
    if (used > width) break;
    kept += segment;
  }
  return `${kept}…`;
}

/**
 * A header line and one line a row, ending in a newline each. Lines are cut at `terminalWidth`
 * columns; without it nothing is cut, so that what goes into a pipe is whole.
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  terminalWidth?: number,
): string {
  const cells = [columns.map(({ header }) => header), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => displayWidth(row[index] ?? ''))));
  const lines = cells.map((row) =>
    columns
      .map((column, index) => pad(row[index] ?? '', widths[index] ?? 0, column.align ?? 'left'))
      .join(gap)
      .trimEnd(),
  );
  return lines
    .map((line) => `${terminalWidth === undefined ? line : truncate(line, terminalWidth)}\n`)
    .join('');
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(width - displayWidth(text));
  return align === 'right' ? space + text : text + space;
}

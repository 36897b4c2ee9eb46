// Tests of properties by fast-check. DOCKERSH_FUZZ=100 tries a hundred times as many inputs; a failure names the
// smallest input that fails, and the seed that leads to it.

import fc from 'fast-check';
import { test } from 'vitest';

const times = Math.max(1, Number(process.env['DOCKERSH_FUZZ'] ?? 1) || 1);

export function holds<T>(
  name: string,
  property: fc.IProperty<T> | fc.IAsyncProperty<T>,
  numRuns = 500,
): void {
  test(name, async () => await fc.assert(property, { numRuns: numRuns * times }), 30_000 * times);
}

/** Text of any kind, mostly of pieces that mean something to whoever parses it. */
export function textOf(...pieces: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...pieces) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  );
  return fc.array(piece, { maxLength: 30 }).map((all) => all.join(''));
}

/** A long run of one piece, for parsers whose time must grow with the length and no faster. */
export function longRunOf(...pieces: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom('', ...pieces), fc.constantFrom(...pieces), fc.constantFrom('', ...pieces))
    .map(([before, piece, after]) => `${before}${piece.repeat(60_000)}${after}`);
}

// Neither a control character (but a line's end) nor what turns the writing direction round.
export const unprintable = /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** What would act on a terminal, and words that don't. */
export const hostileText = textOf(
  '\x1b[2J',
  '\x9b31m',
  '\u202e',
  '\r',
  '\x07',
  '\x00',
  '\n',
  'word',
  ' ',
  'é',
  '日',
);

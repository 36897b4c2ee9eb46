// Tests of tables: the width of characters, cut lines, aligned columns.

import { describe, expect, it } from 'vitest';
import { Console } from '../../../../src/cli/console.ts';
import { printable } from '../../../../src/lib/text/printable.ts';
import { displayWidth, renderTable, truncate } from '../../../../src/lib/text/table.ts';

describe('displayWidth', () => {
  it.each([
    ['', 0],
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['日本', 4],
    ['한글', 4],
    ['ＡＢ', 4],
    ['👩‍👩‍👧', 2],
    ['a\u200bb', 2],
  ])('%j takes %d columns', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });
});

describe('truncate', () => {
  it('keeps what fits', () => {
    expect(truncate('abcd', 4)).toBe('abcd');
  });
  it('marks what was cut', () => {
    expect(truncate('abcde', 4)).toBe('abc…');
  });
  it('never cuts a wide character in half', () => {
    expect(truncate('日本語', 4)).toBe('日…');
    expect(displayWidth(truncate('a日本語', 5))).toBe(4);
  });
});

describe('renderTable', () => {
  const columns = [{ header: 'NAME' }, { header: 'N', align: 'right' }, { header: 'END' }] as const;

  it('aligns columns, wide characters included', () => {
    expect(
      renderTable(columns, [
        ['日本', '1', 'x'],
        ['ab', '100', 'y'],
      ]),
    ).toBe(['NAME    N  END', '日本    1  x', 'ab    100  y', ''].join('\n'));
  });

  it('prints the header alone when there are no rows', () => {
    expect(renderTable(columns, [])).toBe('NAME  N  END\n');
  });

  it('cuts lines at the width of a terminal only', () => {
    const rows = [['a'.repeat(50), '1', 'x']];
    expect(renderTable(columns, rows, 20)).toBe(`NAME${' '.repeat(15)}…
${'a'.repeat(19)}…
`);
    expect(renderTable(columns, rows)).toContain('a'.repeat(50));
  });

  it('lets no control character through', () => {
    const [, row = ''] = renderTable(columns, [['\x1b[1mb\r\n', '1', '\u202et']]).split('\n');
    expect(row).toBe('\ufffd[1mb\ufffd\ufffd  1  \ufffdt');
    expect(printable('a\x07b\u2028c')).toBe('a\ufffdb\ufffdc');
  });
});

it('is not cut on a terminal that was never told its size', () => {
  const stdout = { write: () => true, isTTY: true, columns: 0 };
  const console = new Console({ stdout, stderr: stdout }, { json: false, socket: '' });
  expect(console.table([{ header: 'NAME' }], [['alice']])).toBe('NAME\nalice\n');
});

// Shows an emulator what a hostile program might write, and looks at what it keeps and says.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Emulator } from '../../../src/screen/emulator/emulator.ts';
import { CELL_TEXT, LINKS, STRING } from '../../../src/screen/limits.ts';
import { redraw } from '../../../src/screen/redraw/redraw.ts';
import { session, sizes } from '../../fixtures/screen/programs.ts';

const size = { columns: 80, rows: 24 };
const runs = 100 * Number(process.env['DOCKERSH_FUZZ'] ?? 1);

function shown(text: string): Emulator {
  const emulator = new Emulator(size, 100);
  emulator.write(Buffer.from(text));
  return emulator;
}

const ESC = '\x1b';
const sequence = new RegExp(
  `${ESC}(\\[[0-?]*[ -/]*[@-~]|\\][^${ESC}\x07]*(${ESC}\\\\|\x07)|[ -/]*[0-~])`,
  'g',
);
/** What a terminal answers: attributes, status, modes, sizes, colours, the clipboard, keyboard protocols, settings. */
const asking = new RegExp(
  `^${ESC}(\\[[0-?]*[cnx]$|\\[[0-?]*\\$p|\\[\\?[0-9;]*u|\\[>[0-9;]*q|\\[(1[1-9]|2[01])(;\\d+)?t|\\](?![0128];).*\\?|\\]52;|Z|P)`,
);

describe('what programs write', () => {
  it('never comes back as a question to a terminal', () => {
    fc.assert(
      fc.property(sizes, session(40), (size, steps) => {
        const emulator = new Emulator(size, 7);
        for (const step of steps) {
          if (Buffer.isBuffer(step)) emulator.write(Buffer.concat([step, Buffer.from('\x1b\\\x18')]));
          else emulator.resize(step);
        }
        const sequences = redraw(emulator, emulator.size).toString().match(sequence) ?? [];
        const asked = sequences.filter((one) => asking.test(one));
        expect(asked).toEqual([]);
      }),
      { numRuns: runs },
    );
  });

  it.each([
    ['title', '\x1b]2;a\u0085b\x7fc\x1b\\', '\x1b]2;abc\x1b\\'],
    ['link', '\x1b]8;id=a\x7fb;http://a.example/\x7fx\x1b\\text', '\x1b]8;id=ab;http://a.example/x\x1b\\'],
  ])('has no control left in a %s', (_, written, said) => {
    const text = redraw(shown(written.replace('\u0085', '')), size).toString();
    expect(text).toContain(said.replace('\u0085', ''));
  });

  it('does not grow by long strings', () => {
    const emulator = shown(`\x1b]2;${'x'.repeat(STRING)}\x07\x1b]2;${'y'.repeat(3_000_000)}\x07`);
    expect(emulator.core._inputHandler._windowTitle).toBe('x'.repeat(STRING));
    const open = shown(`\x1bP1;1q${'z'.repeat(3_000_000)}`);
    expect(open.unended.bytes.length).toBeLessThan(10);
    expect(redraw(open, size).length).toBeLessThan(2000);
  });

  it('does not grow by marks on a character', () => {
    const emulator = shown(`e${'\u0301'.repeat(1_000_000)}`);
    expect(emulator.normal.lines.get(0)?.getString(0).length).toBe(CELL_TEXT);
  });

  it('does not grow by links, and forgets those that are gone', () => {
    const links = (from: number): string =>
      Array.from({ length: 2 * LINKS }, (_, i) => `\x1b]8;;http://a.example/${from + i}\x07l`).join('');
    const emulator = shown(links(0));
    expect(emulator.links.get(2 * LINKS)).toBeUndefined();
    emulator.write(Buffer.from('\x1b]8;;\x07\x1b[3J\x1b[2J'));
    emulator.write(Buffer.from(links(100_000)));
    expect(emulator.links.get(LINKS + 1)?.uri).toMatch(/example\/10\d{4}$/);
  });

  it('keeps nobody busy by a number', () => {
    const commands = ['b', 'S', 'T', 'L', 'M', 'I', 'Z', '@', 'P', 'X', 'A', 'B', 'C', 'D'];
    shown(commands.map((final) => `a\x1b[2147483647${final}`).join(''));
  });

  it('erases up to a cursor in the last corner', () => {
    const emulator = new Emulator(size, 0);
    emulator.write(Buffer.from('\x1b[24;80Hx\x1b[1J'));
    expect(emulator.active.lines.get(23)?.getString(79)).toBe('');
  });

  it('is of a bounded size', () => {
    expect(new Emulator({ columns: 65535, rows: 65535 }, 1000).size).toEqual({ columns: 1000, rows: 150 });
    expect(new Emulator({ columns: 0, rows: 0 }, 1000).size).toEqual({ columns: 2, rows: 1 });
  });
});

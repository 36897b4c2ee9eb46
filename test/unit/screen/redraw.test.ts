// Compares a terminal that is shown a redraw with the session, cell by cell, then and after more output.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Emulator } from '../../../src/screen/emulator/emulator.ts';
import { redraw } from '../../../src/screen/redraw/redraw.ts';
import { describeScreen, forgetTheUnsayable } from '../../fixtures/screen/describe.ts';
import { output, type Step, session, sizes } from '../../fixtures/screen/programs.ts';

const SCROLLBACK = 7;
const runs = 150 * Number(process.env['DOCKERSH_FUZZ'] ?? 1);

function take(emulator: Emulator, step: Step): void {
  if (Buffer.isBuffer(step)) emulator.write(step);
  else emulator.resize(step);
}

function textOf({ normal }: Emulator, row: number): string {
  const line = normal.lines.get(row);
  return Array.from({ length: line?.length ?? 0 }, (_, x) => line?.getString(x) || ' ')
    .join('')
    .trimEnd();
}

describe('a redraw', () => {
  it('shows what the session shows, and goes on as the session does', () => {
    fc.assert(
      fc.property(sizes, session(40), output(30), (size, steps, later) => {
        const session = new Emulator(size, SCROLLBACK);
        for (const step of steps) take(session, step);
        const terminal = new Emulator(session.size, SCROLLBACK);
        terminal.write(redraw(session, session.size));
        forgetTheUnsayable(session);
        expect(describeScreen(terminal)).toEqual(describeScreen(session));
        terminal.write(later);
        session.write(later);
        expect(describeScreen(terminal)).toEqual(describeScreen(session));
      }),
      { numRuns: runs },
    );
  });

  it('shows it on a terminal that has shown an earlier moment, in the middle of anything', () => {
    fc.assert(
      fc.property(
        sizes,
        output(60),
        fc.nat(400),
        output(30),
        fc.boolean(),
        (size, first, cut, then, inPlace) => {
          const session = new Emulator(size, SCROLLBACK);
          const terminal = new Emulator(size, SCROLLBACK);
          session.write(first);
          terminal.write(first.subarray(0, cut));
          terminal.write(redraw(session, size, inPlace));
          forgetTheUnsayable(session);
          expect(describeScreen(terminal, 'screen')).toEqual(describeScreen(session, 'screen'));
          for (const emulator of [terminal, session]) emulator.write(then);
          // What they have above the screen is not the same, and comes back where sizes or saved cursors say so.
          expect(terminal.active.x).toBe(session.active.x);
        },
      ),
      { numRuns: runs },
    );
  });

  it('leaves above it what a terminal had on its screen', () => {
    const terminal = new Emulator({ columns: 20, rows: 4 }, 50);
    terminal.write(Buffer.from('$ ssh host\r\nwelcome\r\n'));
    const session = new Emulator({ columns: 20, rows: 4 }, 50);
    session.write(Buffer.from('one\r\ntwo\r\nthree\r\nfour\r\nfive'));
    terminal.write(redraw(session, session.size));
    const lines = Array.from({ length: terminal.normal.lines.length }, (_, i) => textOf(terminal, i));
    expect(lines).toEqual(['$ ssh host', 'welcome', 'one', 'two', 'three', 'four', 'five']);
  });

  it.each([[{ columns: 30, rows: 9 }], [{ columns: 20, rows: 9 }], [{ columns: 30, rows: 5 }]])(
    'is at the top left of a larger terminal: $columns × $rows',
    (size) => {
      const session = new Emulator({ columns: 20, rows: 5 }, 50);
      session.write(Buffer.from(`${'a long line that goes on and on, '.repeat(9)}\r\nlast\x1b[2;3H`));
      const terminal = new Emulator(size, 50);
      terminal.write(redraw(session, size));
      for (let row = 0; row < 5; row += 1) {
        expect(textOf(terminal, terminal.normal.ybase + row)).toBe(
          textOf(session, session.normal.ybase + row),
        );
      }
      expect([terminal.active.x, terminal.active.y]).toEqual([2, 1]);
      terminal.write(Buffer.from('\x1b[5;1H\r\nmore'));
      expect(textOf(terminal, terminal.normal.ybase + 4)).toBe('more');
    },
  );

  it('is as much as there is room for on a smaller terminal', () => {
    const session = new Emulator({ columns: 20, rows: 5 }, 50);
    session.write(Buffer.from('1 one line of it\r\n2\r\n3\r\n4\r\n5 the last line'));
    const size = { columns: 7, rows: 3 };
    const terminal = new Emulator(size, 50);
    terminal.write(redraw(session, size));
    const { ybase } = terminal.normal;
    expect([0, 1, 2].map((row) => textOf(terminal, ybase + row))).toEqual(['3', '4', '5 the l']);
  });
});

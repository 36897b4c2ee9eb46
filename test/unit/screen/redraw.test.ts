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
});

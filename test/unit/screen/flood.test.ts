// Compares an emulator that is shown a flood's last lines alone with one that is shown all of it.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCheckpoint } from '../../../src/screen/checkpoint/encode.ts';
import { Emulator } from '../../../src/screen/emulator/emulator.ts';
import { FLOOD } from '../../../src/screen/emulator/flood.ts';
import { output, sizes } from '../../fixtures/screen/programs.ts';

const SCROLLBACK = 5;
const runs = 12 * Number(process.env['DOCKERSH_FUZZ'] ?? 1);

/** Lines that are quiet, and now and then something that is not. */
const text = fc.oneof(
  { weight: 20, arbitrary: fc.stringMatching(/^[ -~]{0,60}$/) },
  {
    weight: 5,
    arbitrary: fc.constantFrom(
      '漢字 wide',
      'e\u0301\u0301',
      '\u0301 mark',
      'tab\ttab',
      'over\rwrite',
      'back\b\bed',
      '\u0085x',
    ),
  },
  {
    weight: 5,
    arbitrary: fc.constantFrom(
      '\x1b[31mred',
      '\x1b[m',
      '\x1b[0;1;44mbold',
      '\x1b[K',
      '\x1b[4:3mcurly',
      '\x1b[1K',
      '\x1b[;7m',
      '\x1b[38;5;9m',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '\x1b]0;title\x07',
      '\x1b[2;3r',
      '\x0e',
      '\x0f',
      '\x1b[?1049h',
      '\x1b[A',
      '\u009b1m',
      '\x1b[H',
      '\x1b[3',
    ),
  },
);
const line = fc.tuple(text, text, fc.constantFrom('\r\n', '\r\n', '\r\n', '\r\n', '\n', '', '\x0b'));
const flood = fc
  .tuple(fc.array(line, { minLength: 3, maxLength: 40 }), fc.nat(100_000), output(20))
  .map(([lines, extra, last]) => {
    const once = `${lines.map((parts) => parts.join('')).join('')}.`;
    const times = Math.ceil((FLOOD + extra) / Buffer.byteLength(once));
    return Buffer.concat([Buffer.from(once.repeat(times)), last]);
  });

describe('a flood', () => {
  it('leaves what it leaves where nothing of it is left out', () => {
    fc.assert(
      fc.property(sizes, output(30), flood, fc.nat(5000), (size, before, bytes, cut) => {
        const quick = new Emulator(size, SCROLLBACK);
        const slow = new Emulator(size, SCROLLBACK);
        for (const emulator of [quick, slow]) emulator.write(before);
        quick.write(bytes.subarray(0, cut));
        quick.write(bytes.subarray(cut));
        slow.writeAll(bytes);
        expect(encodeCheckpoint(quick).equals(encodeCheckpoint(slow))).toBe(true);
      }),
      { numRuns: runs },
    );
  });

  it('is left out for the most', () => {
    const emulator = new Emulator({ columns: 80, rows: 24 }, 1000);
    const bytes = Buffer.from(
      'one line of \x1b[32mmany\x1b[m, and it is like the others\r\n'.repeat(100_000),
    );
    let shown = 0;
    const handler = emulator.core._inputHandler;
    const { parse } = handler;
    handler.parse = (piece: Uint8Array) => {
      shown += piece.length;
      parse.call(handler, piece);
    };
    emulator.write(bytes);
    expect(shown).toBeLessThan(bytes.length / 20);
    expect(emulator.normal.lines.length).toBe(1024);
  });
});

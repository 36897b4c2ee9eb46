// Compares a terminal that is shown redraws, and an emulator that is made of checkpoints, with a session in which real
// programs ran (test/fixtures/screen/record.py): cut anywhere, with sizes changed in between.

import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCheckpoint } from '../../../src/screen/checkpoint/decode.ts';
import { encodeCheckpoint } from '../../../src/screen/checkpoint/encode.ts';
import { Emulator } from '../../../src/screen/emulator/emulator.ts';
import { redraw } from '../../../src/screen/redraw/redraw.ts';
import { describeScreen, forgetTheUnsayable } from '../../fixtures/screen/describe.ts';

const folder = path.resolve(import.meta.dirname, '../../fixtures/screen/recordings');
const recordings = globSync('*.gz', { cwd: folder })
  .sort()
  .map((name): [string, Buffer] => [
    name.replace('.gz', ''),
    gunzipSync(readFileSync(path.join(folder, name))),
  ]);
const size = { columns: 80, rows: 24 };
const SCROLLBACK = 200;
const runs = 3 * Number(process.env['DOCKERSH_FUZZ'] ?? 1);

describe.each(recordings)('what %s wrote', (_, bytes) => {
  const place = fc.nat(bytes.length);

  it('is shown by a redraw at any moment, and the rest comes out the same', () => {
    fc.assert(
      fc.property(place, place, (one, other) => {
        const [cut, end] = [Math.min(one, other), Math.max(one, other)];
        const session = new Emulator(size, SCROLLBACK);
        session.write(bytes.subarray(0, cut));
        const terminal = new Emulator(size, SCROLLBACK);
        terminal.write(redraw(session, size));
        forgetTheUnsayable(session);
        expect(describeScreen(terminal)).toEqual(describeScreen(session));
        for (const emulator of [terminal, session]) emulator.write(bytes.subarray(cut, end));
        expect(describeScreen(terminal)).toEqual(describeScreen(session));
      }),
      { numRuns: runs, examples: [[bytes.length, 0]] },
    );
  });

  it('is what a chain of checkpoints ends with', () => {
    const steps = fc.array(
      fc.tuple(
        fc.nat(Math.ceil(bytes.length / 3)),
        fc.option(
          fc.record({ columns: fc.integer({ min: 20, max: 150 }), rows: fc.integer({ min: 2, max: 50 }) }),
        ),
      ),
      { minLength: 2, maxLength: 5 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const session = new Emulator(size, SCROLLBACK);
        let restored = new Emulator(size, SCROLLBACK);
        let at = 0;
        for (const [length, other] of list) {
          for (const emulator of [session, restored]) {
            emulator.write(bytes.subarray(at, at + length));
            if (other !== null) emulator.resize(other);
          }
          at += length;
          restored = decodeCheckpoint(encodeCheckpoint(restored), SCROLLBACK);
        }
        expect(encodeCheckpoint(restored).equals(encodeCheckpoint(session))).toBe(true);
      }),
      { numRuns: runs },
    );
  });
});

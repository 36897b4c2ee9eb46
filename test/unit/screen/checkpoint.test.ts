// Tries whether an emulator that is made of a checkpoint is the one that it was made of, with made-up programs, cut
// anywhere.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCheckpoint } from '../../../src/screen/checkpoint/decode.ts';
import { encodeCheckpoint } from '../../../src/screen/checkpoint/encode.ts';
import { Emulator } from '../../../src/screen/emulator/emulator.ts';
import { describeScreen } from '../../fixtures/screen/describe.ts';
import { output, type Step, session, sizes } from '../../fixtures/screen/programs.ts';

const SCROLLBACK = 7;
const runs = 60 * Number(process.env['DOCKERSH_FUZZ'] ?? 1);

function take(emulator: Emulator, step: Step): void {
  if (Buffer.isBuffer(step)) emulator.write(step);
  else emulator.resize(step);
}

describe('a checkpoint', () => {
  it('is all that an emulator is, however often it is taken, and wherever the output is cut', () => {
    fc.assert(
      fc.property(sizes, session(30), fc.array(fc.nat(40), { maxLength: 8 }), (size, steps, cuts) => {
        const undisturbed = new Emulator(size, SCROLLBACK);
        let restored = new Emulator(size, SCROLLBACK);
        for (const step of steps) {
          take(undisturbed, step);
          let rest = step;
          for (const cut of cuts) {
            if (!Buffer.isBuffer(rest)) break;
            restored.write(rest.subarray(0, cut));
            rest = rest.subarray(cut);
            restored = decodeCheckpoint(encodeCheckpoint(restored), SCROLLBACK);
          }
          take(restored, rest);
          restored = decodeCheckpoint(encodeCheckpoint(restored), SCROLLBACK);
        }
        expect(describeScreen(restored)).toEqual(describeScreen(undisturbed));
      }),
      { numRuns: runs },
    );
  });

  it('is the same bytes when it is made of what was made of it', () => {
    fc.assert(
      fc.property(sizes, output(60), (size, bytes) => {
        const emulator = new Emulator(size, SCROLLBACK);
        emulator.write(bytes);
        const checkpoint = encodeCheckpoint(emulator);
        expect(encodeCheckpoint(decodeCheckpoint(checkpoint, SCROLLBACK)).equals(checkpoint)).toBe(true);
      }),
      { numRuns: runs },
    );
  });
});

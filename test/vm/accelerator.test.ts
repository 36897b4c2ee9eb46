// The choice between virtualization and emulation never takes long, and is not mistaken.

import { join } from 'node:path';
import { expect, it } from 'vitest';
import { emulation, servesKernel } from './accelerator.ts';
import { cache } from './remote.ts';

const suite = 'trixie';
const system = join(cache, suite);

it('what runs the kernel up to its first program serves it', async () => {
  // Emulation is slow, and slower beside the other tests; nobody waits for it but here.
  expect(await servesKernel(system, emulation(suite), 240_000)).toBe(true);
}, 270_000);

it('what ends at once does not, nor does what hangs, and that is known in time', async () => {
  expect(await servesKernel(system, ['-accel', 'no-such-thing'])).toBe(false);
  const start = performance.now();
  expect(await servesKernel(system, [...emulation(suite), '-S'], 3_000)).toBe(false); // no instruction is ever run
  expect(performance.now() - start).toBeLessThan(15_000);
});

// Tests of sizes and durations as people read them.

import { expect, it } from 'vitest';
import { humanDuration, humanMicroseconds, humanSize } from '../../../../src/lib/text/human.ts';

it.each([
  [0, '0B'],
  [1023, '1023B'],
  [1024, '1K'],
  [1536, '1.5K'],
  [10_188, '9.9K'],
  [10_189, '10K'],
  [1024 * 1024 - 1, '1M'],
  [13_529_088, '13M'],
  [1.5 * 1024 ** 3, '1.5G'],
  [3000 * 1024 ** 4, '3000T'],
])('%d bytes are shown as %s', (bytes, text) => {
  expect(humanSize(bytes)).toBe(text);
});

it.each([
  [-5, '0s'],
  [999, '0s'],
  [42_300, '42s'],
  [310_000, '5m10s'],
  [3 * 3_600_000 + 20 * 60_000 + 59_000, '3h20m'],
  [12 * 86_400_000 + 4 * 3_600_000 + 1, '12d4h'],
])('%d ms are shown as %s', (ms, text) => {
  expect(humanDuration(ms)).toBe(text);
});

it.each([
  [0, '0µs'],
  [12.4, '12µs'],
  [999.4, '999µs'],
  [999.6, '1.0ms'],
  [12_345, '12.3ms'],
  [99_960, '100ms'],
  [999_600, '1.0s'],
  [59_940_000, '59.9s'],
  [75_000_000, '1m15s'],
])('%d µs are shown as %s', (us, text) => {
  expect(humanMicroseconds(us)).toBe(text);
});

// Tests of "did you mean".

import { expect, test } from 'vitest';
import { nearest } from '../../../../src/lib/text/nearest.ts';

const words = ['memory', 'cpus', 'pids', 'linger', 'home'];

test.each([
  ['memroy', 'memory'],
  ['MEMORY', 'memory'],
  ['cpu', 'cpus'],
  ['lingers', 'linger'],
  ['hom', 'home'],
])('%s means %s', (typed, meant) => {
  expect(nearest(typed, words)).toBe(meant);
});

test.each(['', 'x', 'volumes', '__proto__', 'm'.repeat(100_000)])('%.20s means nothing we know', (typed) => {
  expect(nearest(typed, words)).toBeUndefined();
});

// Tests of what is due when the clock goes on, jumps ahead, or is set back.

import { expect, test } from 'vitest';
import { WallClock } from '../../../../src/daemon/cron/wall-clock.ts';

test('each minute is due once', () => {
  const clock = new WallClock(100);
  expect(clock.reach(100)).toEqual([]);
  expect(clock.reach(101)).toEqual([{ minute: 101, which: 'all' }]);
  expect(clock.reach(101)).toEqual([]);
  // Nobody has looked for a while.
  expect(clock.reach(104).map(({ minute, which }) => `${minute} ${which}`)).toEqual([
    '102 all',
    '103 all',
    '104 all',
  ]);
});

test('summer time begins: what was skipped runs at once, and once', () => {
  const clock = new WallClock(100);
  const due = clock.reach(161);
  expect(due.filter(({ which }) => which === 'all')).toEqual([{ minute: 161, which: 'all' }]);
  expect(due.filter(({ which }) => which === 'fixed').map(({ minute }) => minute)).toEqual(
    Array.from({ length: 60 }, (_, index) => 101 + index),
  );
  expect(clock.reach(162)).toEqual([{ minute: 162, which: 'all' }]);
});

test('summer time ends: nothing at a fixed time runs twice', () => {
  const clock = new WallClock(200);
  expect(clock.reach(141)).toEqual([{ minute: 141, which: 'wildcard' }]);
  expect(clock.reach(141)).toEqual([]);
  expect(clock.reach(142)).toEqual([{ minute: 142, which: 'wildcard' }]);
  expect(clock.reach(199)).toEqual([{ minute: 199, which: 'wildcard' }]);
  expect(clock.reach(200)).toEqual([]);
  expect(clock.reach(201)).toEqual([{ minute: 201, which: 'all' }]);
});

test('a clock that is put right counts from then on', () => {
  const clock = new WallClock(100_000);
  expect(clock.reach(200_000)).toEqual([{ minute: 200_000, which: 'all' }]);
  expect(clock.reach(50_000)).toEqual([{ minute: 50_000, which: 'all' }]);
  expect(clock.reach(50_001)).toEqual([{ minute: 50_001, which: 'all' }]);
});

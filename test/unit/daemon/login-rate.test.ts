// Tests of the per-uid rate limits.

import { expect, test } from 'vitest';
import { LoginRates } from '../../../src/daemon/login/rate.ts';

const rate = { count: 3, ms: 3000 };

test('as many as that at once, then one each time a part of the time is over', () => {
  const rates = new LoginRates();
  const at = (ms: number): boolean => rates.take(1, rate, ms);
  expect([at(0), at(0), at(0), at(0), at(999)]).toEqual([true, true, true, false, false]);
  expect([at(1000), at(1000), at(2000), at(2000)]).toEqual([true, false, true, false]);
  expect([at(100_000), at(100_000), at(100_000), at(100_000)]).toEqual([true, true, true, false]);
});

test('each user has their own', () => {
  const rates = new LoginRates();
  for (let n = 0; n < 3; n += 1) expect(rates.take(1, rate, 0)).toBe(true);
  expect(rates.take(1, rate, 0)).toBe(false);
  expect(rates.take(2, rate, 0)).toBe(true);
});

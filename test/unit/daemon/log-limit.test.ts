// Tests of the limit on lines of the log that one user may cause.

import { expect, test } from 'vitest';
import { type LeftOut, LogLimit } from '../../../src/daemon/login/log-limit.ts';
import { Uid } from '../../../src/lib/values/uid.ts';

function limited(count: number): { limit: LogLimit; told: LeftOut[] } {
  const told: LeftOut[] = [];
  return { limit: LogLimit.start({ count, ms: 60_000 }, (left) => told.push(left)), told };
}

test('each user has so many lines of each kind, and then a count', () => {
  const { limit, told } = limited(3);
  const lines = (uid: number, code: string, tries: number): number =>
    Array.from({ length: tries }, () => limit.take(Uid.parse(uid), code, 0)).filter(Boolean).length;
  expect([lines(1, 'E_FULL', 100), lines(1, 'E_BUSY', 5), lines(2, 'E_FULL', 2)]).toEqual([3, 3, 2]);
  limit.report();
  expect(told).toEqual([
    { uid: 1, code: 'E_FULL', more: 97 },
    { uid: 1, code: 'E_BUSY', more: 2 },
  ]);
  limit.report();
  expect(told).toHaveLength(2);
});

test('many users together have an end as well, and so have the counts', () => {
  const { limit, told } = limited(20);
  let lines = 0;
  for (let uid = 0; uid < 5_000; uid += 1) lines += limit.take(Uid.parse(uid), '', 0) ? 1 : 0;
  expect(lines).toBe(3_000);
  limit.report();
  expect(told).toHaveLength(101);
  expect(told.reduce((sum, { more }) => sum + more, 0)).toBe(2_000);
  expect(told.at(-1)).toEqual({ more: 1_900 });
});

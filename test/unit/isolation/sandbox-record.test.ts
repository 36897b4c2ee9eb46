// Tests of the record of a running sandbox.

import { describe, expect, test } from 'vitest';
import {
  hasLimits,
  recordOf,
  SandboxRecord,
  withLimits,
  withoutLimits,
} from '../../../src/isolation/sandbox/record.ts';
import { aSandbox, aUser } from './records.ts';

describe('the record of a running sandbox', () => {
  test('is read again by a later daemon as it was written', () => {
    const spec = aSandbox({ memoryLimitBytes: 5, cpus: 0.5, lingerMs: Number.POSITIVE_INFINITY });
    const record = recordOf(spec);
    expect(SandboxRecord.parse(JSON.parse(JSON.stringify(record)))).toEqual(record);
    expect(record).toMatchObject({
      uid: 1000,
      user: 'tester',
      home: '/home/tester',
      layers: ['/layers/top', '/layers/host'],
      memoryLimitBytes: 5,
      pidsLimit: null,
      lingerMs: null, // for ever: JSON knows no Infinity
    });
    expect(recordOf(aSandbox()).lingerMs).toBe(600_000);
  });

  test('says where the home is inside, not where the database says', () => {
    expect(recordOf(aSandbox({ user: aUser({ home: '/proc/x' }) })).home).toBe('/home/tester');
  });

  test('of another version is refused', () => {
    const record = recordOf(aSandbox());
    expect(SandboxRecord.safeParse({ ...record, extra: 1 }).success).toBe(false);
    const { env: _, ...without } = record;
    expect(SandboxRecord.safeParse(without).success).toBe(false);
  });

  test('says which limits are in force, and nothing where that is not certain', () => {
    const record = recordOf(aSandbox({ memoryLimitBytes: 5, settings: { memory: '5', image: 'base' } }));
    expect(record.limits).toMatchObject({ memoryLimitBytes: 5, pids: null });
    const other = aSandbox({ memoryLimitBytes: 7, pids: 100 });
    const followed = withLimits(record, other, { memory: '7' });
    expect(followed).toMatchObject({
      memoryLimitBytes: 7,
      pidsLimit: 100,
      settings: { memory: '7', image: 'base' },
    });
    expect(SandboxRecord.parse(followed)).toEqual(followed);
    expect(followed.limits).toMatchObject({ memoryLimitBytes: 7, pids: 100 });
    expect([hasLimits(followed, other), hasLimits(record, other)]).toEqual([true, false]);
    expect(hasLimits(SandboxRecord.parse(JSON.parse(JSON.stringify(followed))), other)).toBe(true);
    expect(withoutLimits(followed).limits).toBeUndefined();
    expect(hasLimits(withoutLimits(followed), other)).toBe(false);
    expect(withoutLimits(followed).memoryLimitBytes).toBe(7);
    const { memoryLimitBytes: _, ...fewer } = followed.limits ?? {};
    for (const limits of [fewer, { ...followed.limits, others: 1 }, JSON.stringify(followed.limits)]) // of other versions
      expect(SandboxRecord.parse({ ...followed, limits }).limits).toBeUndefined();
  });
});

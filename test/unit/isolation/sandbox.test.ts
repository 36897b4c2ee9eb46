import { describe, expect, test } from 'vitest';
import { mergeEnvironment, recordOf, SandboxRecord } from '../../../src/isolation/sandbox.ts';
import { seeded } from '../lib/seeded.ts';
import { aSandbox, aUser } from './records.ts';

describe('environments', () => {
  test('every name once, the later list wins', () => {
    expect(mergeEnvironment(['PATH=/a', 'A=1', 'B=2'], ['A=3', 'C=4'], ['B='])).toEqual([
      'PATH=/a',
      'A=3',
      'B=',
      'C=4',
    ]);
  });

  test('names are whole names, and values may hold anything', () => {
    expect(mergeEnvironment(['A=1', 'AB=2'], ['A=b=c', 'A_=', 'a=\xff\n'])).toEqual([
      'A=b=c',
      'AB=2',
      'A_=',
      'a=\xff\n',
    ]);
    expect(mergeEnvironment([], [])).toEqual([]);
    expect(mergeEnvironment(['FO=1'], ['FOO'])).toEqual(['FO=1']); // what an image's bare name must not take away
  });

  test('as if each assignment were made in turn', () => {
    const random = seeded(9);
    const list = (): string[] =>
      Array.from(
        { length: random.below(8) },
        () => `${random.pick(['A', 'B', 'AB', 'LC_X'])}=${random.below(5)}`,
      );
    for (let round = 0; round < 1000; round += 1) {
      const lists = [list(), list(), list()];
      const expected: Record<string, string> = {};
      for (const [name = '', value = ''] of lists.flat().map((entry) => entry.split('=')))
        expected[name] = value;
      const merged = mergeEnvironment(...lists).map((entry) => entry.split('='));
      expect(Object.fromEntries(merged)).toEqual(expected);
      expect(merged).toHaveLength(Object.keys(expected).length);
    }
  });
});

describe('the record of a running sandbox', () => {
  test('is read again by a later daemon as it was written', () => {
    const spec = aSandbox({ memoryBytes: 5, cpus: 0.5, lingerMs: Number.POSITIVE_INFINITY });
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
});

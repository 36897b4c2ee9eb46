// Tests of the maps between ids inside and ids of the host.

import { describe, expect, test } from 'vitest';
import { firstRange, idMap, idMapsOf, rangeSize } from '../../../src/isolation/ids.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import { chooseSlot, parseSubordinate, slotCount } from '../../../src/users/slot-registry.ts';
import { seeded } from '../lib/seeded.ts';

interface Extent {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

function extents(map: string): Extent[] {
  expect(map.endsWith('\n')).toBe(true);
  return map
    .trimEnd()
    .split('\n')
    .map((line) => {
      expect(line).toMatch(/^\d+ \d+ \d+$/);
      const [inside = -1, outside = -1, count = -1] = line.split(' ').map(Number);
      return { inside, outside, count };
    });
}

/** The host's id of an id inside; undefined where it has none. */
function outsideOf(map: readonly Extent[], id: number): number | undefined {
  const found = map.find((extent) => id >= extent.inside && id < extent.inside + extent.count);
  return found === undefined ? undefined : found.outside + id - found.inside;
}

/** What the kernel demands of a map (user_namespaces(7)), and what we promise of every map. */
function checkMap(text: string, base: number, own: readonly number[]): void {
  const map = extents(text);
  expect(map.length).toBeLessThanOrEqual(340);
  expect(Buffer.byteLength(text)).toBeLessThan(64 * 1024);
  for (const side of ['inside', 'outside'] as const) {
    const sorted = map.toSorted((a, b) => a[side] - b[side]);
    for (const [index, extent] of sorted.entries()) {
      expect(extent.count).toBeGreaterThan(0);
      expect(extent[side] + extent.count).toBeLessThanOrEqual(2 ** 32 - 1);
      const next = sorted[index + 1];
      if (next !== undefined) expect(extent[side] + extent.count).toBeLessThanOrEqual(next[side]);
    }
  }
  for (const id of own) expect(outsideOf(map, id)).toBe(id);
  // Nothing else of the host can be reached: every other extent lies in this user's own range.
  for (const { inside, outside, count } of map) {
    if (count === 1 && own.includes(inside)) continue;
    expect(outside).toBe(base + inside);
    expect(outside + count).toBeLessThanOrEqual(base + rangeSize);
  }
  // No hole: an image's files may belong to any of 0–65535.
  const small = own.filter((id) => id < rangeSize).length;
  const covered = map.reduce((sum, extent) => sum + (extent.inside < rangeSize ? extent.count : 0), 0);
  expect(covered).toBe(rangeSize);
  expect(map.filter((extent) => extent.inside === extent.outside)).toHaveLength(own.length);
  expect(map.filter((extent) => extent.inside === extent.outside && extent.inside < rangeSize)).toHaveLength(
    small,
  );
}

describe('a map', () => {
  const base = 0x8000_0000;
  test.each([
    [[], ['0 2147483648 65536']],
    [[1000], ['0 2147483648 1000', '1000 1000 1', '1001 2147484649 64535']],
    [[0], ['0 0 1', '1 2147483649 65535']],
    [[65_535], ['0 2147483648 65535', '65535 65535 1']],
    [[65_536], ['0 2147483648 65536', '65536 65536 1']],
    [
      [5, 6],
      ['0 2147483648 5', '5 5 1', '6 6 1', '7 2147483655 65529'],
    ],
    [
      [200_000, 5, 5, 100_000],
      ['0 2147483648 5', '5 5 1', '6 2147483654 65530', '100000 100000 1', '200000 200000 1'],
    ],
  ])('of %j', (own, lines) => {
    expect(idMap(base, own)).toBe(`${lines.join('\n')}\n`);
    checkMap(idMap(base, own), base, [...new Set(own)]);
  });

  test('of any ids is one that the kernel takes', () => {
    const random = seeded(1);
    for (let round = 0; round < 60; round += 1) {
      const slot = random.below(slotCount);
      const limit = random.pick([64, rangeSize, rangeSize + 2, firstRange]);
      const own = [...new Set(Array.from({ length: random.below(151) }, () => random.below(limit)))];
      checkMap(idMap(firstRange + slot * rangeSize, own), firstRange + slot * rangeSize, own);
    }
  });
});

describe("a user's maps", () => {
  const groupsOf = (...gids: number[]) => gids.map((gid) => ({ gid }));

  test('own uid, gid and groups are themselves', () => {
    const maps = idMapsOf({ uid: Uid.parse(1000), gid: 1001, groups: groupsOf(1001, 27, 100_000) }, 7);
    expect(maps.rootId).toBe(firstRange + 7 * rangeSize);
    expect(maps.groups).toEqual([1001, 27, 100_000]);
    checkMap(maps.uidMap, maps.rootId, [1000]);
    checkMap(maps.gidMap, maps.rootId, [27, 1001, 100_000]);
  });

  test('a uid above 65535 is itself, beside a whole range', () => {
    const maps = idMapsOf({ uid: Uid.parse(1_234_567), gid: 1_234_568, groups: [] }, 0);
    checkMap(maps.uidMap, firstRange, [1_234_567]);
    checkMap(maps.gidMap, firstRange, [1_234_568]);
  });

  test('group 0 is never the host’s', () => {
    for (const user of [
      { uid: Uid.parse(1000), gid: 0, groups: groupsOf(0, 4) },
      { uid: Uid.parse(1000), gid: 1000, groups: groupsOf(0, 4) },
    ]) {
      const maps = idMapsOf(user, 3);
      expect(maps.groups).not.toContain(0);
      expect(outsideOf(extents(maps.gidMap), 0)).toBe(maps.rootId);
    }
  });

  test('groups that lie where the ranges do are left out: they would be another user’s ids', () => {
    const maps = idMapsOf(
      { uid: Uid.parse(1000), gid: 1000, groups: groupsOf(firstRange, 0xffff_fffe, firstRange - 1) },
      1,
    );
    expect(maps.groups).toEqual([1000, firstRange - 1]);
    checkMap(maps.gidMap, maps.rootId, maps.groups);
  });

  test('as many groups as a user database gives never make more lines than the kernel takes', () => {
    const gids = Array.from({ length: 256 }, (_, index) => 2 + index * 3);
    const maps = idMapsOf({ uid: Uid.parse(1000), gid: 999, groups: groupsOf(...gids) }, 0);
    expect(maps.groups).toContain(999); // the primary group is never the one that is left out
    checkMap(maps.gidMap, maps.rootId, maps.groups);
  });

  test('two users share no id but a group that both are in', () => {
    const random = seeded(2);
    for (let round = 0; round < 60; round += 1) {
      const [one, two] = [random.below(slotCount - 1), slotCount - 1].map((slot, index) =>
        extents(
          idMapsOf({ uid: Uid.parse(1000 + index), gid: 3000 + index, groups: groupsOf(100) }, slot).gidMap,
        ),
      );
      for (const a of one ?? []) {
        for (const b of two ?? []) {
          const shared = a.outside < b.outside + b.count && b.outside < a.outside + a.count;
          if (shared) expect([a.outside, a.count, b.count]).toEqual([100, 1, 1]);
        }
      }
    }
  });
});

describe('slots', () => {
  test('all of them lie in 32 bits, without the id that means none', () => {
    expect(firstRange + slotCount * rangeSize).toBeLessThanOrEqual(0xffff_ffff);
    expect(Number.isInteger(firstRange / rangeSize)).toBe(true);
  });

  test('the first choice is what the uid names', () => {
    expect(chooseSlot(Uid.parse(1000), new Set(), [])).toBe(1000);
    expect(chooseSlot(Uid.parse(slotCount + 5), new Set(), [])).toBe(5);
    expect(chooseSlot(Uid.parse(2 ** 31 - 1), new Set(), [])).toBeLessThan(slotCount);
  });

  test('a taken one is passed over, round the end too', () => {
    expect(chooseSlot(Uid.parse(1000), new Set([1000, 1001]), [])).toBe(1002);
    expect(chooseSlot(Uid.parse(slotCount - 1), new Set([slotCount - 1, 0]), [])).toBe(1);
  });

  test('there is an end to them', () => {
    const all = new Set(Array.from({ length: slotCount }, (_, slot) => slot));
    expect(chooseSlot(Uid.parse(1000), all, [])).toBeUndefined();
    all.delete(999);
    expect(chooseSlot(Uid.parse(1000), all, [])).toBe(999);
  });

  test('subordinate ids are avoided, also where they only touch a range', () => {
    const start = (slot: number): number => firstRange + slot * rangeSize;
    expect(chooseSlot(Uid.parse(5), new Set(), [{ start: start(5), count: 1 }])).toBe(6);
    expect(chooseSlot(Uid.parse(5), new Set(), [{ start: start(6) - 1, count: 1 }])).toBe(6);
    expect(chooseSlot(Uid.parse(5), new Set(), [{ start: start(5) - 10, count: 11 }])).toBe(6);
    expect(chooseSlot(Uid.parse(5), new Set(), [{ start: start(4), count: 3 * rangeSize }])).toBe(7);
    expect(chooseSlot(Uid.parse(5), new Set(), [{ start: start(5) - 10, count: 10 }])).toBe(5);
    expect(chooseSlot(Uid.parse(5), new Set(), [{ start: start(6), count: 10 }])).toBe(5);
    expect(chooseSlot(Uid.parse(5), new Set(), [{ start: 100_000, count: 2 ** 33 }])).toBeUndefined();
  });

  test('any chosen slot is free of everything it should be', () => {
    const random = seeded(3);
    for (let round = 0; round < 300; round += 1) {
      const taken = new Set(Array.from({ length: random.below(50) }, () => random.below(60)));
      const foreign = Array.from({ length: random.below(5) }, () => ({
        start: firstRange + random.below(60 * rangeSize),
        count: random.below(3 * rangeSize),
      }));
      const slot = chooseSlot(Uid.parse(random.below(60)), taken, foreign) ?? -1;
      const from = firstRange + slot * rangeSize;
      expect(taken.has(slot)).toBe(false);
      for (const range of foreign)
        expect(range.start >= from + rangeSize || range.start + range.count <= from).toBe(true);
    }
  });
});

test('subuid files are read, and lines that are none are skipped', () => {
  const text =
    '# comment\nalice:100000:65536\n1001:165536:65536\n\n  bob:5:6  \nx:1\nx:-1:5\n:1:2\nx:a:5\nx:1:2:3\n';
  expect(parseSubordinate(text)).toEqual([
    { start: 100_000, count: 65_536 },
    { start: 165_536, count: 65_536 },
    { start: 5, count: 6 },
  ]);
  expect(parseSubordinate('')).toEqual([]);
});

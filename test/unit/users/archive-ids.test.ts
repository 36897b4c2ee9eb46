// Ids of an archive with a user's data become those of the account that it is imported for: its own uid and groups, by name
// and not by number, and no two of them one.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { idMapsOf, rangeSize } from '../../../src/isolation/ids.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import { idsForExport, idsForImport } from '../../../src/users/archive/ids.ts';

const account = (uid: number, gid: number, groups: readonly (readonly [string, number])[]) => ({
  uid: Uid.parse(uid),
  gid,
  groups: groups.map(([name, id]) => ({ name, gid: id })),
});

interface Extent {
  readonly inside: number;
  readonly host: number;
  readonly count: number;
}
const extents = (map: string): Extent[] =>
  map
    .trim()
    .split('\n')
    .map((line) => {
      const [inside = -1, host = -1, count = -1] = line.split(' ').map(Number);
      return { inside, host, count };
    });
const hostOf = (map: string, id: number): number | undefined => {
  const found = extents(map).find(({ inside, count }) => id >= inside && id < inside + count);
  return found && found.host + id - found.inside;
};
const insideOf = (map: string, id: number): number | undefined => {
  const found = extents(map).find(({ host, count }) => id >= host && id < host + count);
  return found && found.inside + id - found.host;
};

it("gives the account's own files to the account, and shared groups to those of the same name", () => {
  const ada = account(1001, 1001, [
    ['ada', 1001],
    ['students', 2000],
    ['gone', 2001],
  ]);
  const eve = account(1005, 3000, [
    ['eve', 3000],
    ['students', 1001],
  ]);
  const { told } = idsForExport(ada, idMapsOf(ada, 3));
  expect(told).toEqual({
    uid: 1001,
    gid: 1001,
    groups: [
      { name: 'students', id: 2000 },
      { name: 'gone', id: 2001 },
    ],
  });
  const maps = idMapsOf(eve, 7);
  const { uidMap, gidMap } = idsForImport(told, eve, maps);
  expect(hostOf(uidMap, 1001)).toBe(1005);
  expect(hostOf(uidMap, 1005)).toBe(maps.rootId + 1001); // who had eve's uid inside
  expect(hostOf(uidMap, 0)).toBe(maps.rootId);
  expect(hostOf(gidMap, 1001)).toBe(3000);
  expect(hostOf(gidMap, 2000)).toBe(1001);
  expect(hostOf(gidMap, 2001)).toBe(maps.rootId + 2001);
});

it('has a place for the large ids of a directory', () => {
  const ada = account(1_234_567, 1_234_567, [['students', 1_300_000]]);
  const maps = idMapsOf(ada, 1);
  const { ids, told } = idsForExport(ada, maps);
  expect(insideOf(ids.uidMap, 1_234_567)).toBe(told.uid);
  expect(told).toEqual({ uid: 65_533, gid: 65_533, groups: [{ name: 'students', id: 65_532 }] });
  const back = idsForImport(told, ada, maps);
  expect(hostOf(back.uidMap, told.uid)).toBe(1_234_567);
  expect(hostOf(back.gidMap, 65_532)).toBe(1_300_000);
});

it('makes no two ids one, and none the id of somebody else', () => {
  const id = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 200_000 }));
  const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 5 });
  const somebody = fc
    .tuple(id, id, names, fc.uniqueArray(id, { minLength: 5, maxLength: 5 }))
    .map(([uid, gid, all, gids]) =>
      account(
        uid,
        gid,
        all.map((name, index) => [name, gids[index] ?? 1]),
      ),
    );
  fc.assert(
    fc.property(somebody, somebody, (from, to) => {
      const { told } = idsForExport(from, idMapsOf(from, 2));
      const maps = idMapsOf(to, 5);
      const { uidMap, gidMap } = idsForImport(told, to, maps);
      expect(hostOf(uidMap, told.uid)).toBe(to.uid);
      for (const [map, own] of [
        [uidMap, [to.uid as number]],
        [gidMap, [...maps.groups]],
      ] as const) {
        const all = extents(map);
        expect(all.reduce((sum, { count }) => sum + count, 0)).toBe(rangeSize);
        const sorted = [...all].sort((left, right) => left.host - right.host);
        for (const [index, extent] of sorted.entries()) {
          const next = sorted[index + 1];
          if (next !== undefined) expect(extent.host + extent.count).toBeLessThanOrEqual(next.host);
          const isOwn = extent.count === 1 && own.includes(extent.host);
          const inRange = extent.host >= maps.rootId && extent.host + extent.count <= maps.rootId + rangeSize;
          expect(isOwn || inRange).toBe(true);
        }
      }
    }),
  );
});

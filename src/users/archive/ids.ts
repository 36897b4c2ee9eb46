// Turns the ids of an archive with a user's data into those of the account that it becomes the data of. In the archive
// every id is what it is inside, from 0 to 65535; the account's own uid and groups are told by name beside it, and become
// the account's own ids here, whatever their numbers are. Pure.

import * as z from 'zod';
import type { IdMapping } from '../../images/layers/program.ts';
import type { UserRecord } from '../../isolation/engine.ts';
import { type IdMaps, rangeSize } from '../../isolation/ids.ts';

const archiveId = z
  .int()
  .min(0)
  .max(rangeSize - 1);

/** Which ids of the archive are the account's own. */
export const archiveIds = z.strictObject({
  uid: archiveId,
  /** Of the account's primary group. */
  gid: archiveId,
  groups: z.array(z.strictObject({ name: z.string().max(256), id: archiveId })).max(1000),
});
export type ArchiveIds = z.infer<typeof archiveIds>;

/** Directories have ids that are too large for an archive of this kind: these stand in their place, from here down. */
const firstStandIn = 65_533;

interface Own {
  readonly map: string;
  readonly idOf: (own: number) => number;
}

function standIns(map: string): Own {
  const instead = new Map<number, number>();
  const lines = map
    .trim()
    .split('\n')
    .map((line) => {
      const [inside = 0, host = 0, count = 0] = line.split(' ').map(Number);
      if (inside < rangeSize) return line;
      instead.set(inside, firstStandIn - instead.size);
      return `${instead.get(inside)} ${host} ${count}`;
    });
  return { map: lines.join('\n'), idOf: (own) => instead.get(own) ?? own };
}

/** What the ids on the disk are in the archive, and whose they are. */
export function idsForExport(
  user: Pick<UserRecord, 'uid' | 'gid' | 'groups'>,
  maps: IdMaps,
): { readonly ids: IdMapping; readonly told: ArchiveIds } {
  const [uids, gids] = [standIns(maps.uidMap), standIns(maps.gidMap)];
  const known = user.groups.filter(({ gid }) => gid !== user.gid && maps.groups.includes(gid));
  return {
    ids: { uidMap: uids.map, gidMap: gids.map },
    told: {
      uid: uids.idOf(user.uid),
      gid: gids.idOf(user.gid),
      groups: known.map(({ name, gid }) => ({ name, id: gids.idOf(gid) })),
    },
  };
}

/** What the archive's ids are on this host, for this account. */
export function idsForImport(
  told: ArchiveIds,
  user: Pick<UserRecord, 'uid' | 'gid' | 'groups'>,
  { rootId, groups }: Pick<IdMaps, 'rootId' | 'groups'>,
): IdMapping {
  const byName = new Map(user.groups.map(({ name, gid }) => [name, gid]));
  const shared = told.groups.flatMap(({ name, id }) => {
    const gid = byName.get(name);
    return gid === undefined || gid === user.gid || !groups.includes(gid) ? [] : [[id, gid] as const];
  });
  const primary = groups.includes(user.gid) ? [[told.gid, user.gid] as const] : [];
  return {
    uidMap: mapped(rootId, [user.uid], [[told.uid, user.uid]]),
    gidMap: mapped(rootId, groups, [...primary, ...shared]),
  };
}

/**
 * Lines of a map from the archive's ids to the host's: `pairs` become the account's own, and who had the place of one of
 * these inside takes the place that it leaves. No two ids become one.
 */
function mapped(
  rootId: number,
  own: readonly number[],
  pairs: readonly (readonly [number, number])[],
): string {
  const inside = placesOf(pairs);
  const hostOf = (id: number): number => (own.includes(id) ? id : rootId + id);
  const special = [...new Set([...inside.keys(), ...own.filter((id) => id < rangeSize)])].sort(
    (a, b) => a - b,
  );
  const lines: string[] = [];
  let next = 0;
  for (const id of special) {
    if (id > next) lines.push(`${next} ${rootId + next} ${id - next}`);
    lines.push(`${id} ${hostOf(inside.get(id) ?? id)} 1`);
    next = id + 1;
  }
  if (next < rangeSize) lines.push(`${next} ${rootId + next} ${rangeSize - next}`);
  return `${lines.join('\n')}\n`;
}

/** Where ids of the archive are inside, as far as that is another place. */
function placesOf(pairs: readonly (readonly [number, number])[]): Map<number, number> {
  const places = new Map<number, number>();
  const taken = new Set<number>();
  for (const [from, to] of pairs) {
    if (taken.has(from)) continue; // an archive that names one id twice
    taken.add(from);
    const before = places.get(from) ?? from;
    if (before === to) continue;
    if (to < rangeSize) {
      const other = [...places].find(([, place]) => place === to)?.[0] ?? to;
      places.set(other, before);
    }
    places.set(from, to);
  }
  return places;
}

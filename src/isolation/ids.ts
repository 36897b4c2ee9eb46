// Maps a sandbox's ids to ids of the host. A user's own uid, gid and supplementary gids are themselves inside; every
// other id of 0–65535 maps into a range of 65,536 that belongs to this user alone. Pure.
//
// The ranges lie in the upper half of the 32-bit ids: above what /etc/subuid hands out by default
// (100000–600100000), what systemd-nspawn picks (524288–1878982656), and what directories usually assign.

import type { Uid } from '../lib/values/uid.ts';

export const rangeSize = 65_536;
export const firstRange = 0x8000_0000;
/** Extents in uid_map: the kernel takes 340 lines (user_namespaces(7)); each own id splits one line in two. */
const mostOwnGroups = 150;

export interface IdMaps {
  /** What 0 inside is on the host. */
  readonly rootId: number;
  readonly uidMap: string;
  readonly gidMap: string;
  /** Supplementary groups that exist inside: the user's own, without group 0. */
  readonly groups: readonly number[];
}

/** Lines of uid_map or gid_map: `own` map to themselves, the rest of 0–65535 from `base` on. */
export function idMap(base: number, own: readonly number[]): string {
  const lines: string[] = [];
  let next = 0;
  const shifted = (end: number): void => {
    if (end > next) lines.push(`${next} ${base + next} ${end - next}`);
  };
  for (const id of [...new Set(own)].sort((a, b) => a - b)) {
    if (id < rangeSize) {
      shifted(id);
      next = id + 1;
    } else if (next < rangeSize) {
      shifted(rangeSize);
      next = rangeSize;
    }
    lines.push(`${id} ${id} 1`);
  }
  if (next < rangeSize) shifted(rangeSize);
  return `${lines.join('\n')}\n`;
}

/** What 0 inside is on the host: the first id of the range. */
export const rootIdOf = (slot: number): number => firstRange + slot * rangeSize;

/** The maps of one user. Group 0 is never the host's inside, whatever the user database says. */
export function idMapsOf(
  user: { readonly uid: Uid; readonly gid: number; readonly groups: readonly { readonly gid: number }[] },
  slot: number,
): IdMaps {
  const rootId = rootIdOf(slot);
  const own = [user.gid, ...user.groups.map((group) => group.gid)];
  const groups = [...new Set(own)].filter((gid) => gid > 0 && gid < firstRange).slice(0, mostOwnGroups);
  return { rootId, uidMap: idMap(rootId, [user.uid]), gidMap: idMap(rootId, groups), groups };
}

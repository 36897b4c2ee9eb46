// Decides how a user's disk limits are held, by project quotas or a disk image. Pure.

import * as z from 'zod';

export const DiskLimits = z.strictObject({
  diskBytes: z.number().nullable(),
  inodes: z.number().nullable(),
  diskBackend: z.enum(['auto', 'project', 'image']),
  home: z.enum(['private', 'host']),
  /** null: private homes lie where layers do. */
  homeRoot: z.string().nullable(),
});
export type DiskLimits = Readonly<z.infer<typeof DiskLimits>>;

export interface DiskUse {
  readonly bytes: number;
  readonly limitBytes: number | null;
  readonly inodes: number;
  readonly inodesLimit: number | null;
}

/** What holds the limits. folder: nothing does. */
export type Holder = 'folder' | 'project' | 'image';

/** `noProjects`: why there are no quotas of projects; undefined: there are. */
export function holderOf(
  { diskBytes, inodes, diskBackend, home, homeRoot }: DiskLimits,
  noProjects: string | undefined,
): { readonly holder: Holder; readonly missing?: string } {
  if (diskBytes === null && inodes === null) return { holder: 'folder' };
  if (diskBackend === 'project' || (diskBackend === 'auto' && noProjects === undefined)) {
    return { holder: 'project', ...(noProjects === undefined ? {} : { missing: noProjects }) };
  }
  if (diskBytes === null) {
    return { holder: 'image', missing: 'a disk image needs a size: set "disk" where "inodes" is set' };
  }
  if (home === 'private' && homeRoot !== null) {
    const missing = 'a disk image holds the home as well: leave "home_root" out, or use project quotas';
    return { holder: 'image', missing };
  }
  return { holder: 'image' };
}

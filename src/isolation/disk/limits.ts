// Decides how a user's disk limits are held, by project quotas or a disk image. Pure.

export interface DiskLimits {
  readonly diskBytes: number | null;
  readonly inodes: number | null;
  readonly diskBackend: 'auto' | 'project' | 'image';
  readonly home: 'private' | 'host';
  /** null: private homes lie where layers do. */
  readonly homeRoot: string | null;
}

/** folder: nothing does. */
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
    return { holder: 'image', missing: 'an image needs a size: set "disk" where "inodes" is set' };
  }
  if (home === 'private' && homeRoot !== null) {
    const missing = 'an image holds the home as well: leave "home_root" out, or use quotas of projects';
    return { holder: 'image', missing };
  }
  return { holder: 'image' };
}

/** These limits and nothing else of what they are taken from. */
export function diskLimitsOf({ diskBytes, inodes, diskBackend, home, homeRoot }: DiskLimits): DiskLimits {
  return { diskBytes, inodes, diskBackend, home, homeRoot };
}

// The keys for what a user may keep on the disk. Pure.

import type { KeySpec } from '../section-schema.ts';
import { numberOfThings, oneOf, sizeLimit } from '../values/basic.ts';

export const diskKeys = {
  disk: {
    type: sizeLimit(32 * 1024 ** 2),
    defaultText: 'none',
    values: 'a size of at least 32M, or none',
    applies: 'now',
    doc: 'What a user may keep on the disk: what they changed in the system inside, its snapshots, and the private home, together. A "home = host" and "mounts" are not part of it. At the limit programs are told that there is no space left, or that the quota is exceeded; logins go on. "disk_backend" says how it is held: with disk images, a lower limit holds from the next start on.',
    example: '10G',
  },
  inodes: {
    type: numberOfThings(1000),
    defaultText: 'none',
    values: 'a number of at least 1000 such as 50000, 500k or 2M, or none',
    applies: 'now',
    doc: 'Files, folders and links that a user may keep there. With images it needs "disk", is met within a few percent, and holds from the next start on.',
    example: '500k',
  },
  disk_backend: {
    type: oneOf('auto', 'project', 'image'),
    defaultText: 'auto',
    values: 'auto, project, image',
    applies: 'sandbox',
    doc: "How disk and inodes are held. project: by the quota of a project for each user, on ext4 or xfs mounted with prjquota. image: by a disk image for each user, a file with an ext4 in it that is made when it is needed and takes as much of the disk as is in it. auto: project where the file system of the state folder holds such quotas, else image. When this or a limit is set for the first time, the user's next start takes as long as it takes to go through, or to copy, what is there.",
    example: 'image',
  },
} as const satisfies Record<string, KeySpec>;

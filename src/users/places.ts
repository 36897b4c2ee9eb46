// Names the places of what is kept of a user in the state.

import path from 'node:path';

/** Where everything of a user's lies. */
export function userFolder(state: string, uid: number): string {
  return path.join(state, 'users', String(uid));
}

/** What of it a disk consists of. */
export const diskParts = ['layer', 'rescue', 'snapshots', 'home'] as const;

/** The image that holds these parts in place of the folder; there where the user's disk is one. */
export function diskImage(state: string, uid: number): string {
  return path.join(userFolder(state, uid), 'disk.img');
}

// Finds the users' folders in the state.

import { readdir } from 'node:fs/promises';
import { hasErrno } from '../lib/errors.ts';
import type { AbsolutePath } from '../lib/values/absolute-path.ts';
import { type Uid, uidIn } from '../lib/values/uid.ts';
import { usersFolder } from './places.ts';

/** Of every user who has something in the state. */
export async function uidsBelow(state: AbsolutePath): Promise<Uid[]> {
  try {
    const names = await readdir(usersFolder(state));
    return names.map(uidIn).filter((uid) => uid !== undefined);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return []; // nobody has logged in yet
    throw error;
  }
}

// Removes a user's folder from the state, with whose it is, at once: a crash leaves nothing in which the next account of
// the same uid would find part of it.
//
//   <state>/users/.gone-<random>   what is left to be removed of it

import { randomBytes } from 'node:crypto';
import { readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { type LayerProgram, removeFolder } from '../images/layers/program.ts';
import { syncFolder } from '../lib/atomic-file.ts';
import { hasErrno } from '../lib/errors.ts';
import type { AbsolutePath } from '../lib/values/absolute-path.ts';
import type { StoppedUser } from './lock.ts';
import { userFolder, usersFolder } from './places.ts';

const gonePrefix = '.gone-';

/** Nothing where there is none. */
export async function removeUserFolder(
  program: LayerProgram,
  state: AbsolutePath,
  { uid }: StoppedUser,
): Promise<void> {
  const folder = userFolder(state, uid);
  const users = usersFolder(state);
  const gone = path.join(users, `${gonePrefix}${randomBytes(6).toString('hex')}`);
  try {
    await rename(folder, gone);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return;
    throw error;
  }
  await syncFolder(users);
  await removeFolder(program, gone);
}

/** After a start of the daemon. */
export async function clearGoneFolders(program: LayerProgram, state: AbsolutePath): Promise<void> {
  const users = usersFolder(state);
  for (const name of await readdir(users))
    if (name.startsWith(gonePrefix)) await removeFolder(program, path.join(users, name));
}

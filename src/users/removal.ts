// Takes a user's folder out of the state, with whose it is, and puts another into its place, both at once: a crash leaves
// nothing in which the next account of the same uid would find part of it, nor half of an import.
//
//   <state>/users/.gone-<random>   what is left to be removed, or not whole yet

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { runLayerJob } from '../images/layers/job.ts';
import { type LayerProgram, removeFolder } from '../images/layers/program.ts';
import { syncFolder } from '../lib/atomic-file.ts';
import { hasErrno } from '../lib/errors.ts';
import { exists } from '../lib/if-there.ts';
import { type AbsolutePath, below } from '../lib/values/absolute-path.ts';
import type { StoppedUser } from './lock.ts';
import { userFolder, usersFolder } from './places.ts';

const gonePrefix = '.gone-';

const goneName = (state: AbsolutePath): AbsolutePath =>
  below(usersFolder(state), `${gonePrefix}${randomBytes(6).toString('hex')}`);

/** Nothing where there is none. */
export async function removeUserFolder(
  program: LayerProgram,
  state: AbsolutePath,
  { uid }: StoppedUser,
): Promise<void> {
  const folder = userFolder(state, uid);
  const users = usersFolder(state);
  const gone = goneName(state);
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

/** A folder that goes when disposed. */
export interface Aside extends AsyncDisposable {
  readonly path: AbsolutePath;
}

export async function emptyAside(program: LayerProgram, state: AbsolutePath): Promise<Aside> {
  const folder = goneName(state);
  await mkdir(folder, { mode: 0o700 });
  return {
    path: folder,
    [Symbol.asyncDispose]: async () => {
      if (await exists(folder)) await removeFolder(program, folder);
    },
  };
}

/** What lies aside is the user's folder from now on; what was that lies aside, and goes. */
export async function putInPlace(
  program: LayerProgram,
  state: AbsolutePath,
  { uid }: StoppedUser,
  aside: Aside,
): Promise<void> {
  const folder = userFolder(state, uid);
  if (await exists(folder))
    await runLayerJob(program, ['swap', aside.path, folder], { what: 'exchange the folder' });
  else await rename(aside.path, folder);
  await syncFolder(usersFolder(state));
}

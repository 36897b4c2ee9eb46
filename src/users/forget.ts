// Removes all that is kept of a user: of an account that is gone, whose uid somebody else may have by now.

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { LayerProgram } from '../images/layers/program.ts';
import { DockershError, hasErrno } from '../lib/errors.ts';
import { exists } from '../lib/if-there.ts';
import { requireTrustedPath } from '../lib/trusted-path.ts';
import type { AbsolutePath } from '../lib/values/absolute-path.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { UserDisks } from './disk/user-disks.ts';
import { removeEmpty, removeTree, takeHome } from './home/homes.ts';
import { lastHome } from './home/private-home.ts';
import type { StoppedUser } from './lock.ts';
import type { Account } from './owners.ts';
import { diskImage, homeIn, layerFolder, snapshotsFolder, userFolder } from './places.ts';
import { removeUserFolder } from './removal.ts';

export interface Forgotten {
  /** What there was: "layer", "snapshots" … */
  readonly removed: string[];
}

/**
 * `keep`: a folder of root's alone, made here, in which the private home is kept as `home`.
 * Throws E_USAGE where that is there already, E_UNTRUSTED_PATH, E_NOT_FOUND where there is no home to keep.
 */
export async function forgetUser(
  parts: { readonly state: AbsolutePath; readonly program: LayerProgram; readonly disks: UserDisks },
  held: StoppedUser,
  user: Account,
  keep: string | undefined,
  signal: AbortSignal,
): Promise<Forgotten> {
  const { state, program, disks } = parts;
  const { uid } = held;
  const outside = userFolder(state, uid);
  // What is on a disk of its own goes with it, and need not be mounted: it may be damaged.
  const home = await lastHome({ outside, folder: outside });
  const place = path.dirname(home);
  const removed = await partsOf(state, uid, home);
  if (keep !== undefined) {
    const homeRoot = place === outside ? null : path.dirname(place);
    await makeFolder(keep);
    try {
      await takeHome(parts, { user, homeRoot }, homeIn(keep), signal);
    } catch (error) {
      await removeEmpty(keep);
      throw error;
    }
  }
  if (place !== outside) {
    for (const name of ['home.new', 'home']) await removeTree(program, path.join(place, name));
    await removeEmpty(place);
  }
  await disks.close(held);
  await removeUserFolder(program, state, held);
  return { removed: removed.filter((part) => keep === undefined || part !== 'home') };
}

async function partsOf(state: AbsolutePath, uid: Uid, home: string): Promise<string[]> {
  const outside = userFolder(state, uid);
  const parts = [
    ['layer', layerFolder(outside)],
    ['snapshots', snapshotsFolder(outside)],
    ['rescue layer', layerFolder(outside, 'rescue')],
    ['home', home],
    ['disk image', diskImage(state, uid)],
  ] as const;
  const there = await Promise.all(parts.map(async ([, file]) => await exists(file)));
  return parts.flatMap(([name], index) => (there[index] === true ? [name] : []));
}

/** Whoever has the uid by now owns what is kept, so nobody but root may get to it. */
async function makeFolder(folder: string): Promise<void> {
  await requireTrustedPath(path.dirname(folder));
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
    throw new DockershError('E_USAGE', { what: folder, why: 'it is there already', hint: 'Name a new one.' });
  }
}

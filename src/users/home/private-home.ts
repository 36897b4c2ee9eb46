// Finds a private home on the host: in the user's folder of the state, or below the policy's home_root. Runs as root
// in folders that only root can enter, so no name in them is anybody else's.
//
// A home is never begun anew because it is looked for in the wrong place. Outside of the state, a file in the user's
// folder (`home-place`) says where it was when it was last used: a policy that names another place, and a file system
// that is not mounted, are told from a user who has no home yet.

import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { UserRecord } from '../../isolation/engine.ts';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { exists } from '../../lib/if-there.ts';
import { shellWord } from '../../lib/text/shell-word.ts';
import { checkTrustedPath } from '../../lib/trusted-path.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import { homeIn, homePlaceFile } from '../places.ts';

/** Whose home it is, and what is known of where. */
export interface HomeOwner {
  readonly user: Pick<UserRecord, 'uid' | 'name'>;
  /** The user's folder in the state. */
  readonly outside: AbsolutePath;
  /** What holds the home where the policy has no other place: that, or the user's own disk (user-disks.ts). */
  readonly folder: string;
  /** As the policy names it; null: the state. */
  readonly homeRoot: string | null;
}

/** By the uid, as everything of users is; whose that is, owner.json in the user's folder says. */
const wantedFolder = ({ user, folder, homeRoot }: HomeOwner): string =>
  homeRoot === null ? folder : path.join(homeRoot, String(user.uid));

type Lying = Pick<HomeOwner, 'outside' | 'folder'>;

/** The folder that it lay in when it was last used. */
async function knownFolder({ outside, folder }: Lying): Promise<string> {
  if (!existsSync(homePlaceFile(outside))) return folder; // at once: every cold login asks twice
  try {
    return (await readFile(homePlaceFile(outside), 'utf8')).trimEnd();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error; // it lies in the state, or there is none yet
    return folder;
  }
}

/** Where the home was when it was last used, whatever the policy says by now. */
export async function lastHome(lying: Lying): Promise<string> {
  return homeIn(await knownFolder(lying));
}

/** Folders that it may be in: where it was last, and where the policy wants it. */
export async function homePlaces(owner: HomeOwner): Promise<string[]> {
  return [...new Set([await knownFolder(owner), wantedFolder(owner)])];
}

/** The home that there is; undefined: none. */
export async function findHome(owner: HomeOwner): Promise<string | undefined> {
  for (const place of await homePlaces(owner)) if (await exists(homeIn(place))) return homeIn(place);
  return undefined;
}

const homeError = (what: string, why: string, hint: string): DockershError =>
  new DockershError('E_HOME', { what, why, hint });

async function requireRoot(homeRoot: string): Promise<void> {
  const trust = await checkTrustedPath(homeRoot);
  if (trust.ok) return;
  throw homeError(
    `private homes cannot be kept in ${homeRoot} (home_root)`,
    `${trust.path} ${trust.reason}`,
    'Make the folder, or mount what it is on; it and every folder above it must belong to root and be writable by nobody else.',
  );
}

/** Throws E_HOME where the home is, or should be, in another place than the policy names. */
async function requireNoOther(owner: HomeOwner): Promise<void> {
  const known = await knownFolder(owner);
  const wanted = wantedFolder(owner);
  const [from, to] = [homeIn(known), homeIn(wanted)];
  const { name } = owner.user;
  if (known !== wanted && (await exists(from))) {
    const both = await exists(to);
    throw homeError(
      `the home of ${name} lies in ${from}`,
      `the policy (home_root) wants it in ${to}${both ? ', where there is one as well' : ''}`,
      both
        ? 'Move away the one that does not count.'
        : `Change home_root back, or move it: mkdir -p -m 0700 ${shellWord(wanted)} && mv -T ${shellWord(from)} ${shellWord(to)}`,
    );
  }
  if (known === owner.folder || (await exists(to))) return;
  throw homeError(
    `the home of ${name} is not in ${from}, where it was`,
    `nor is it in ${to}`,
    `Mount what it is on. To begin with an empty home: rm ${shellWord(homePlaceFile(owner.outside))}`,
  );
}

/** Why the home can't be where the policy wants it; undefined: it can. Changes nothing. */
export async function homeProblem(owner: HomeOwner): Promise<DockershError | undefined> {
  try {
    if (owner.homeRoot !== null) await requireRoot(owner.homeRoot);
    await requireNoOther(owner);
    return undefined;
  } catch (error) {
    if (error instanceof DockershError && error.code === 'E_HOME') return error;
    throw error;
  }
}

/**
 * Where the home is to be, or is, as a path in a folder that is there and root's alone. Throws E_HOME. Once it is
 * there, rememberHome().
 */
export async function placeForHome(owner: HomeOwner): Promise<string> {
  const problem = await homeProblem(owner);
  if (problem !== undefined) throw problem;
  const wanted = wantedFolder(owner);
  if (owner.homeRoot !== null) {
    try {
      await mkdir(wanted, { mode: 0o700 });
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error; // made at an earlier start
    }
    await requireRoot(wanted); // below /tmp, say, somebody may have been there first
    if (!(await lstat(wanted)).isDirectory())
      throw homeError(
        `the home of ${owner.user.name} should be in ${wanted}`,
        'that is no folder',
        'Remove it.',
      );
    await chmod(wanted, 0o700);
  }
  return homeIn(wanted);
}

/** The home is where the policy wants it. */
export async function rememberHome(owner: HomeOwner): Promise<void> {
  const wanted = wantedFolder(owner);
  if ((await knownFolder(owner)) === wanted) return;
  if (owner.homeRoot === null) await forgetHome(owner.outside);
  else await writeFileAtomic(homePlaceFile(owner.outside), `${wanted}\n`);
}

/** The home is about to be nowhere. */
export async function forgetHome(outside: AbsolutePath): Promise<void> {
  await rm(homePlaceFile(outside), { force: true });
}

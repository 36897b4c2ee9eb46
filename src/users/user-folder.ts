// A user's own folder in the state: the writable layer, the private home, the identity layer. Runs as root in
// folders that only root can enter, so no name in them is anybody else's.
//
//   <state>/users/<uid>/layer/{upper,work}   the overlay's writable part; beside it, what it is made on
//   <state>/users/<uid>/snapshots/           copies of it to go back to (src/users/layer/snapshots.ts)
//   <state>/users/<uid>/rescue/{upper,work}  the same on the rescue image; there while that is used
//   <state>/users/<uid>/home                 the private home, unless policy has another place (private-home.ts)
//   <state>/users/<uid>/identity/<digest>    see identity-layer.ts
//
// All but the last may lie on a disk of the user's own instead (user-disks.ts).

import { lstatSync } from 'node:fs';
import { chmod, chown, cp, lchown, lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { UserRecord } from '../isolation/engine.ts';
import { DockershError, hasErrno } from '../lib/errors.ts';
import { shellWord } from '../lib/text/shell-word.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { DiskLimits } from './disk/limits.ts';
import type { UserDisk } from './disk/user-disks.ts';
import { placeForHome, rememberHome } from './home/private-home.ts';
import { layerFolder, type UserLayerKind } from './places.ts';

async function makeFolder(folder: string, mode: number): Promise<boolean> {
  try {
    await mkdir(folder, { mode });
    return true;
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error; // made at an earlier start
    return false;
  }
}

/** Never through a symbolic link: one to a folder of the host's must not give that folder away. */
async function chownTree(folder: string, uid: Uid, gid: number): Promise<void> {
  await lchown(folder, uid, gid);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const child = path.join(folder, entry.name);
    if (entry.isDirectory()) await chownTree(child, uid, gid);
    else await lchown(child, uid, gid);
  }
}

async function prepareHome(disk: UserDisk, user: UserRecord, homeRoot: string | null): Promise<string> {
  const { outside, folder } = disk;
  const owner = { user, outside, folder, homeRoot };
  const home = await placeForHome(owner);
  if (homeRoot !== null || !isThere(disk, home)) await fillHome(home, user);
  await rememberHome(owner);
  return home;
}

/** A home filled from /etc/skel. Renamed into place when it is whole. */
async function fillHome(home: string, user: UserRecord): Promise<void> {
  try {
    if ((await lstat(home)).isDirectory()) return;
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error; // the first start
  }
  const half = `${home}.new`;
  await rm(half, { recursive: true, force: true });
  await mkdir(half, { mode: 0o700 });
  try {
    await cp('/etc/skel', half, { recursive: true, verbatimSymlinks: true });
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error; // a host without /etc/skel
  }
  await chmod(half, 0o700);
  await chownTree(half, user.uid, user.gid);
  await rename(half, home);
}

/** The host's own home, which must be a folder of this user's: a path that is not would be somebody else's. */
async function hostHome(user: UserRecord): Promise<string> {
  const info = await lstat(user.home).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (info?.isDirectory() === true && info.uid === user.uid) return user.home;
  const isLink = info?.isSymbolicLink() === true;
  throw new DockershError('E_SANDBOX_START', {
    what: `the home folder ${user.home} of ${user.name} can't be used`,
    why:
      info === undefined
        ? 'it does not exist'
        : isLink
          ? 'it is a symbolic link, which its owner could point elsewhere'
          : 'it is not a folder that belongs to this user',
    hint: isLink
      ? `Name the folder itself as the home of the account: usermod --home FOLDER ${shellWord(user.name)}`
      : 'Make the folder and give it to the user, or set "home = private" in the policy.',
    userDetail: 'your home folder is missing or not yours',
  });
}

/** As the supervisor finds it. */
export interface UserFolder {
  /** The block device that it mounts first; what lies on it begins with `deviceFolder`. */
  readonly device: string | undefined;
  /** Holds `upper` and `work`. */
  readonly layer: string;
  /** The same, as the daemon finds it. */
  readonly inside: string;
  /** What is mounted at the user's home. */
  readonly home: string;
}

/** Relative to where the supervisor builds (native/supervisor/rootfs/rootfs.c). */
const deviceFolder = 'd';

/**
 * Whether the folder is there. Synchronous on purpose, as elsewhere in the state's own folders: it was looked up at the last login,
 * and each call that is handed to another thread adds a tenth of a millisecond to a cold login. What lies on a disk of the
 * user's own, or where policy keeps homes, is asked for without holding up others.
 */
const isThere = (disk: UserDisk, folder: string): boolean =>
  disk.device === undefined && lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;

async function makeLayer(layer: string, rootId: number, names: readonly string[]): Promise<void> {
  await mkdir(layer, { recursive: true, mode: 0o700 });
  for (const name of names) {
    const folder = path.join(layer, name);
    if (!(await makeFolder(folder, name === 'upper' ? 0o755 : 0o700)) || name !== 'upper') continue;
    await chmod(folder, 0o755);
    await chown(folder, rootId, rootId);
  }
}

/** Makes what is missing. `rootId` owns the writable layer's root: it is / inside. */
export async function prepareUserFolder(
  user: UserRecord,
  rootId: number,
  disk: UserDisk,
  { home, homeRoot }: Pick<DiskLimits, 'home' | 'homeRoot'>,
  kind: UserLayerKind,
): Promise<UserFolder> {
  const { folder, device, limited } = disk;
  const layer = layerFolder(folder, kind);
  const seen = (file: string): string =>
    device === undefined || !file.startsWith(`${folder}/`)
      ? file
      : path.join(deviceFolder, path.relative(folder, file));
  const names = ['work', 'upper', ...(limited ? ['kept'] : [])];
  if (!names.every((name) => isThere(disk, path.join(layer, name)))) await makeLayer(layer, rootId, names);
  return {
    device,
    layer: seen(layer),
    inside: layer,
    home: home === 'host' ? await hostHome(user) : seen(await prepareHome(disk, user, homeRoot)),
  };
}

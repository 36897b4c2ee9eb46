// Checks the file system that images, layers and private homes are on.

import { existsSync, realpathSync } from 'node:fs';
import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../../../lib/errors.ts';
import { humanSize } from '../../../lib/text/human.ts';
import { shellWord } from '../../../lib/text/shell-word.ts';
import { checkTrustedPath } from '../../../lib/trusted-path.ts';
import { mountOf } from '../../host/mounts.ts';
import { critical, type Finding, type HostCheck, ok, unknown, warning } from '../check.ts';
import type { Context } from '../context.ts';
import { policyOf } from '../subject.ts';
import { ofProbe } from './kernel.ts';

const otherFileSystem = 'Put the state folder on ext4, xfs or btrfs (dockershd --state).';

export const fileSystemChecks: readonly HostCheck[] = [
  {
    id: 'fs-overlay',
    group: 'file systems',
    what: "the state's file system can be an overlay's upper layer",
    why: "Each user's changes are an upper layer there.",
    run: async (context) => await ofProbe(context, 'overlay', otherFileSystem),
  },
  {
    id: 'fs-idmap',
    group: 'file systems',
    what: "the state's file system allows mounts with mapped ids",
    why: 'Image layers are shared by all users without changing an owner on the disk.',
    run: async (context) => await ofProbe(context, 'idmap', otherFileSystem),
  },
  {
    id: 'fs-private',
    group: 'file systems',
    what: 'the state folder is for root alone',
    why: 'Layers may hold setuid files and device names that must be out of reach on the host.',
    run: statePrivate,
  },
  {
    id: 'fs-home-root',
    group: 'file systems',
    what: 'the folders that private homes are kept in are there, and root alone can change them',
    why: 'Where the folder that home_root names is missing, nobody whose home is there gets in.',
    run: homeRoots,
  },
  {
    id: 'fs-space',
    group: 'file systems',
    what: "the state's file system has space",
    why: 'When it is full nobody can start a sandbox.',
    run: freeSpace,
  },
  {
    id: 'fs-quota',
    group: 'file systems',
    what: 'the state is on a file system that can hold disk limits',
    why: 'Without disk limits one user can fill the disk of all.',
    run: quota,
  },
  {
    id: 'fs-promised',
    group: 'file systems',
    what: "what users' disks may grow to is there",
    why: 'A disk image takes as much space as is in it. One that finds no room to grow becomes read-only, also below its limit.',
    run: promised,
  },
];

async function statePrivate(context: Context): Promise<Finding> {
  const { state } = await context.paths();
  const trust = await checkTrustedPath(state);
  const word = shellWord(state);
  if (!trust.ok && trust.code === 'E_NOT_FOUND') return ok(`${state} is not there yet`);
  if (!trust.ok)
    return critical(
      `${trust.path} ${trust.reason}`,
      `chown root: ${shellWord(trust.path)} && chmod go-w ${shellWord(trust.path)}`,
    );
  const mode = (await stat(state)).mode & 0o777;
  if ((mode & 0o077) === 0) return ok(`${state} has mode 0${mode.toString(8)}`);
  return critical(`${state} has mode 0${mode.toString(8)}`, `chmod 0700 ${word}`);
}

async function homeRoots(context: Context): Promise<Finding> {
  const { found } = await context.subjects();
  const policies = found.map(policyOf).filter((policy) => policy?.home === 'private');
  const named = new Set(policies.map((policy) => policy?.homeRoot));
  const folders = [...named].filter((folder) => typeof folder === 'string').sort();
  for (const folder of folders) {
    const trust = await checkTrustedPath(folder);
    if (trust.ok) continue;
    const at = shellWord(trust.path);
    const fix =
      trust.code === 'E_NOT_FOUND'
        ? `Mount what ${folder} is on, or make it: mkdir -p ${shellWord(folder)}`
        : `chown root: ${at} && chmod go-w ${at}`;
    return critical(`${folder}: ${trust.path} ${trust.reason}`, fix);
  }
  return ok(folders.length === 0 ? 'homes are kept in the state folder' : folders.join(', '));
}

const littleSpace = 0.05;

async function freeSpace(context: Context): Promise<Finding> {
  const { state } = await context.paths();
  if (!existsSync(state)) return ok('nothing is there yet');
  const { bavail, bsize, blocks, ffree, files } = await statfs(state);
  const bytes = humanSize(bavail * bsize);
  const fix = 'Free some: dockershctl image gc, dockershctl image du.';
  if (bavail === 0 || (files > 0 && ffree === 0))
    return critical(`${bytes} and ${ffree} inodes are free`, fix);
  if (bavail < blocks * littleSpace) return warning(`${bytes} are free`, fix);
  if (files > 0 && ffree < files * littleSpace) return warning(`${ffree} inodes are free`, fix);
  return ok(`${bytes} are free`);
}

/** Of every disk that is an image: how large it may become, and what it takes by now. */
async function diskImages(state: string): Promise<{ readonly bytes: number; readonly taken: number }[]> {
  const users = join(state, 'users');
  const found: { bytes: number; taken: number }[] = [];
  for (const uid of existsSync(users) ? await readdir(users) : []) {
    try {
      const { size, blocks } = await stat(join(users, uid, 'disk.img'));
      found.push({ bytes: size, taken: blocks * 512 });
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error; // a disk that is a folder
    }
  }
  return found;
}

async function promised(context: Context): Promise<Finding> {
  const { state } = await context.paths();
  const images = await diskImages(state);
  if (images.length === 0) return ok('there are no disk images');
  const { bavail, bsize } = await statfs(state);
  const free = bavail * bsize;
  const bytes = images.reduce((sum, image) => sum + image.bytes, 0);
  const taken = images.reduce((sum, image) => sum + image.taken, 0);
  const disks = images.length === 1 ? '1 disk' : `${images.length} disks`;
  const found = `${disks} of ${humanSize(bytes)} in all: ${humanSize(taken)} taken, and ${humanSize(free)} free`;
  if (bytes <= taken + free) return ok(found);
  return warning(
    found,
    `Where not all will be filled at once that is fine: watch fs-space, and leave this out (--ignore fs-promised). Otherwise give the file system ${humanSize(bytes - taken - free)} more, or lower "disk" in the policy, which counts from a user's next start on.`,
  );
}

async function quota(context: Context): Promise<Finding> {
  const { state } = await context.paths();
  const mount = mountOf(existsSync(state) ? realpathSync(state) : state, context.mounts());
  if (mount === undefined) return unknown(`no mount holds ${state}`, 'Run doctor on the host itself.');
  const { type, path, options } = mount;
  if (options.some((option) => option === 'prjquota' || option === 'pquota'))
    return ok(`${type} with project quotas`);
  const seen = `${type} on ${path}, without project quotas`;
  const program = ['/usr/sbin/mke2fs', '/sbin/mke2fs'].some((file) => existsSync(file));
  if (!existsSync('/dev/loop-control') || !program) {
    const fix =
      'Put the state folder on ext4 or xfs mounted with prjquota, or make loop devices and e2fsprogs available.';
    return warning(`${seen}, and there are no loop devices or no mke2fs`, fix);
  }
  return keepsImages.has(type)
    ? ok(`${seen}: disk limits are held by disk images`)
    : warning(`${seen}; disk images are not kept on ${type}`, 'Put the state folder on ext4 or xfs.');
}

/** Where a file can have holes, and a loop device behind it. */
const keepsImages = new Set(['ext4', 'xfs', 'btrfs', 'ext3', 'f2fs', 'zfs']);

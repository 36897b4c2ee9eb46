// The file system that images, layers and private homes are on.

import { existsSync, realpathSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { shellWord } from '../../lib/shell-word.ts';
import { checkTrustedPath } from '../../lib/trusted-path.ts';
import { mountOf } from '../host/mounts.ts';
import { humanSize } from '../human.ts';
import { critical, type Finding, type HostCheck, ok, unknown, warning } from './check.ts';
import type { Context } from './context.ts';
import { ofProbe } from './kernel.ts';
import { policyOf } from './subject.ts';

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
    ? ok(`${seen}: disk limits are held by images`)
    : warning(`${seen}; images are not kept on ${type}`, 'Put the state folder on ext4 or xfs.');
}

/** Where a file can have holes, and a loop device behind it. */
const keepsImages = new Set(['ext4', 'xfs', 'btrfs', 'ext3', 'f2fs', 'zfs']);

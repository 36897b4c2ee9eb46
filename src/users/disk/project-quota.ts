// Makes a user's files a project with a quota: on ext4 and xfs the kernel then counts what is in their folder, and
// shows the limit as the size of the file system to whoever asks inside.
//
// The id is what root inside is on the host: it belongs to this user for ever. From a user namespace nobody can change a
// file's project, nor whether it is passed on.

import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { addon } from '../../isolation/addon.ts';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { hasErrno } from '../../lib/errors.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import { homeIn, projectMark } from '../places.ts';
import type { DiskLimits, DiskUse } from './limits.ts';

/** Whose files, and where they lie. */
export interface Project {
  readonly id: number;
  /** The user's folder in the state. */
  readonly outside: AbsolutePath;
  /** What holds the home where that is another folder. */
  readonly homePlace: string | undefined;
}

/** Makes everything in a folder a project's. */
type Mark = (id: number, folder: string) => Promise<void>;

/** What a start makes before anything of the user's runs. */
const startBytes = 1024 ** 2;
const startInodes = 64;
/** native/supervisor/rootfs/kept.c; those that are missing are yet to be made. */
const keptFiles = 8;
const keptBytes = keptFiles * 64 * 1024;

/** Why the file system of a folder holds no quotas of projects; undefined: it does. */
export async function projectsMissing(folder: string): Promise<string | undefined> {
  try {
    const { counted, enforced } = await addon().projectState(folder);
    if (enforced !== 0) return undefined;
    return counted === 0
      ? `the file system of ${folder} does not count what projects use`
      : `the file system of ${folder} is not mounted with prjquota`;
  } catch (error) {
    // ESRCH: none are turned on; the others: it, or the kernel, knows no such thing.
    if (hasErrno(error, 'ESRCH', 'ENOSYS', 'EINVAL', 'ENOTTY', 'EOPNOTSUPP', 'ENODEV', 'EPERM'))
      return `the file system of ${folder} has no quotas of projects`;
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return `${folder} is not there`;
    throw error;
  }
}

const places = ({ outside, homePlace }: Project): string[] =>
  homePlace === undefined ? [outside] : [outside, homePlace];

/** Of what has been marked; undefined: nothing has. */
async function marked(outside: AbsolutePath): Promise<string | undefined> {
  try {
    return await readFile(projectMark(outside), 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

export const isProject = (outside: AbsolutePath): boolean => existsSync(projectMark(outside));

const wantedMark = (project: Project): string => `${[project.id, ...places(project)].join('\n')}\n`;

/** Something comes that does not belong to the project yet: the next start goes through everything. */
export async function forgetProject(outside: AbsolutePath): Promise<void> {
  await rm(projectMark(outside), { force: true });
}

/** Has every file counted, those too that were there before. Call while there is no sandbox. */
export async function makeProject(project: Project, parts: readonly string[], mark: Mark): Promise<boolean> {
  const { id, outside, homePlace } = project;
  if ((await marked(outside)) === wantedMark(project) && (await belongs(project, parts))) return false;
  await mkdir(outside, { recursive: true, mode: 0o700 });
  await addon().projectMark(outside, id);
  for (const part of parts)
    if (existsSync(path.join(outside, part))) await mark(id, path.join(outside, part));
  if (homePlace !== undefined && existsSync(homePlace)) await mark(id, homePlace);
  await writeFileAtomic(projectMark(outside), wantedMark(project));
  return true;
}

/** A part that was put there from elsewhere shows by its own folder. */
async function belongs(project: Project, parts: readonly string[]): Promise<boolean> {
  const { id, outside, homePlace } = project;
  const tops = [outside, ...parts.map((part) => path.join(outside, part))];
  if (homePlace !== undefined) tops.push(homePlace, homeIn(homePlace));
  for (const top of tops.filter((each) => existsSync(each))) {
    const found = await addon().projectOf(top);
    if (found.id !== id || found.inherits === 0) return false;
  }
  return true;
}

/**
 * While a sandbox is being prepared: with room for what a start makes, so that whoever is at the limit gets in. Call
 * limitExactly() before anything of the user's runs.
 */
export async function limitForStart(project: Project, limits: DiskLimits): Promise<void> {
  for (const place of places(project).filter((each) => existsSync(each))) {
    const used = await addon().projectUse(place, project.id);
    const most = (limit: number | null, now: number, more: number): number =>
      limit === null ? 0 : Math.max(limit, now) + more;
    const bytes = most(limits.diskBytes, used.bytes, startBytes);
    await addon().projectLimit(place, project.id, bytes, most(limits.inodes, used.inodes, startInodes));
  }
}

/**
 * `layer`: the one that is about to be mounted, for which there must be room even where more is used than allowed;
 * undefined: the sandbox runs already.
 */
export async function limitExactly(project: Project, limits: DiskLimits, layer?: string): Promise<void> {
  for (const place of places(project).filter((each) => existsSync(each))) {
    const used = await addon().projectUse(place, project.id);
    const hasKept = layer === undefined || existsSync(path.join(layer, 'kept', String(keptFiles - 1)));
    const most = (limit: number | null, now: number, kept: number): number => {
      if (limit === null) return 0;
      return layer === undefined ? limit : Math.max(limit, now + (hasKept ? 0 : kept));
    };
    const bytes = most(limits.diskBytes, used.bytes, keptBytes);
    await addon().projectLimit(place, project.id, bytes, most(limits.inodes, used.inodes, keptFiles));
  }
}

export async function projectUse({ id, outside }: Project): Promise<DiskUse> {
  const { bytes, inodes, mostBytes, mostInodes } = await addon().projectUse(outside, id);
  const orNone = (most: number): number | null => (most === 0 ? null : most);
  return { bytes, limitBytes: orNone(mostBytes), inodes, inodesLimit: orNone(mostInodes) };
}

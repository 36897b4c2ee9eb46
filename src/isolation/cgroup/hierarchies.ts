// Finds the host's cgroup hierarchies, and in each our folder and the controllers that it lets us have.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { exists } from '../../lib/if-there.ts';
import { mountPath } from '../../lib/text/mountinfo.ts';
import type { CgroupVersion, Controller } from '../../limits/entry.ts';
import { diskLifts, rareControllers, usualControllers } from '../../limits/limits.ts';

export type CgroupMode = 'v1' | 'v2' | 'hybrid';
/** No limit, but sandboxes are paused with it. On v2 it needs no controller. */
const freezer = 'freezer';

/** On v2, where a folder with controllers for others may hold no process itself (cgroups(7)). */
export const supervisorsFolder = 'supervisors';

/** Needs of cgroups beyond those that every host has to meet. */
export interface CgroupNeeds {
  /** Of the rare controllers, those that the policy has a use for. Version 2 gives them without being asked. */
  readonly rare?: ReadonlySet<Controller>;
  /** The disk that holds what users write (disk.ts). */
  readonly disk?: string | undefined;
}

export interface Hierarchy {
  readonly parent: string;
  readonly controllers: ReadonlySet<Controller>;
}

export interface Hierarchies {
  readonly mode: CgroupMode;
  readonly all: readonly Hierarchy[];
  /** Why a controller is missing, in words that fit after "because"; only if more is known than that it is. */
  readonly missing: ReadonlyMap<Controller, string>;
  readonly countsSwap: boolean;
  readonly countsSockets: boolean;
  readonly disk: string | undefined;
  readonly allCpus: string;
  /** Our folder in the hierarchy of version 2, with controllers or without; undefined: the host has none. */
  readonly unified?: string;
}

/** Finds them and makes the folder `name` in each. Throws E_KERNEL where there is none. */
export async function openHierarchies(
  name: string,
  mountinfo: string,
  needs: CgroupNeeds,
): Promise<Hierarchies> {
  const mounts = cgroupMounts(mountinfo);
  const limiting = mounts.v1.filter(({ options }) => usualControllers.some((one) => options.has(one)));
  // A v1 freezer alone beside a v2 hierarchy with everything else is not worth a second way.
  if (limiting.length === 0) return await openV2(name, mounts.v2, needs.disk);
  const rare = rareControllers.filter((one) => needs.rare?.has(one) === true);
  const others = mounts.v1.filter(
    ({ options }) => options.has(freezer) || rare.some((one) => options.has(v1Name(one))),
  );
  const hierarchies = await openV1(
    name,
    [...new Set([...limiting, ...others])],
    [...usualControllers, ...rare],
    needs.disk,
  );
  return mounts.v2 === undefined
    ? hierarchies
    : { ...hierarchies, mode: 'hybrid', unified: path.join(mounts.v2, name) };
}

const v1Name = (controller: Controller): string => (controller === 'io' ? 'blkio' : controller);

async function openV1(
  name: string,
  mounts: readonly CgroupMount[],
  controllers: readonly Controller[],
  disk: string | undefined,
): Promise<Hierarchies> {
  const missing = new Map<Controller, string>();
  const all = mounts.map((mount) => ({
    parent: path.join(mount.path, name),
    controllers: new Set(controllers.filter((controller) => mount.options.has(v1Name(controller)))),
  }));
  for (const { parent } of all) await mkdir(parent, { recursive: true });
  const cpuset = mounts[all.findIndex((hierarchy) => hierarchy.controllers.has('cpuset'))];
  const allCpus = cpuset === undefined ? '' : await inheritCpus(cpuset.path, name);
  const io = all.find((hierarchy) => hierarchy.controllers.has('io'));
  const problem = io === undefined ? undefined : await diskProblem(1, io.parent, disk);
  if (problem !== undefined) {
    missing.set('io', problem);
    io?.controllers.delete('io');
  }
  const memory = all.find((hierarchy) => hierarchy.controllers.has('memory'));
  const limits = async (file: string): Promise<boolean> =>
    memory !== undefined && (await exists(path.join(memory.parent, file)));
  const countsSwap = await limits('memory.memsw.limit_in_bytes');
  const countsSockets = await limits('memory.kmem.tcp.limit_in_bytes');
  return { mode: 'v1', all, missing, countsSwap, countsSockets, disk, allCpus };
}

async function openV2(
  name: string,
  mount: string | undefined,
  disk: string | undefined,
): Promise<Hierarchies> {
  if (mount === undefined) {
    throw new DockershError('E_KERNEL', {
      what: 'no cgroup hierarchy is mounted',
      hint: 'Mount cgroup2 at /sys/fs/cgroup.',
    });
  }
  const parent = path.join(mount, name);
  // One that has every controller a sandbox has, so its files tell what a sandbox will find.
  const leaf = path.join(parent, supervisorsFolder);
  await mkdir(leaf, { recursive: true });
  await evacuate(parent, leaf);
  const controllers = new Set<Controller>();
  const missing = new Map<Controller, string>();
  for (const controller of [...usualControllers, ...rareControllers]) {
    const problem =
      (await enableDownTo(mount, name, controller)) ??
      (controller === 'io' ? await diskProblem(2, leaf, disk) : undefined);
    if (problem === undefined) controllers.add(controller);
    else missing.set(controller, problem);
  }
  const countsSwap = controllers.has('memory') && (await exists(path.join(leaf, 'memory.swap.max')));
  const allCpus = controllers.has('cpuset')
    ? (await readFile(path.join(leaf, 'cpuset.cpus.effective'), 'utf8')).trim()
    : '';
  return {
    mode: 'v2',
    unified: parent,
    all: [{ parent, controllers }],
    missing,
    countsSwap,
    countsSockets: false, // memory counts them
    disk,
    allCpus,
  };
}

/** Why the disk cannot be limited here. */
async function diskProblem(
  version: CgroupVersion,
  folder: string,
  disk: string | undefined,
): Promise<string | undefined> {
  if (disk === undefined) return 'what users write is on no single disk (btrfs, overlay, tmpfs, a network)';
  try {
    // Lines that limit nothing, which a kernel takes that can limit the disk.
    for (const { file, value } of diskLifts(version))
      await writeFile(path.join(folder, file), `${disk} ${value}`);
    return undefined;
  } catch (error) {
    return `the kernel can't limit the disk ${disk} (${errnoName(error)})`;
  }
}

/** Makes a controller count in `name` and for what is in it; otherwise why that can't be. */
async function enableDownTo(
  mount: string,
  name: string,
  controller: Controller,
): Promise<string | undefined> {
  let folder = mount;
  for (const part of ['', ...name.split('/')]) {
    folder = path.join(folder, part);
    const problem = await enableController(folder, controller);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Where it is enabled already the folder may be somebody else's, and stays as it is. */
async function enableController(folder: string, controller: Controller): Promise<string | undefined> {
  const listed = async (file: string): Promise<boolean> =>
    (await readFile(path.join(folder, file), 'utf8')).split(/\s+/).includes(controller);
  const control = path.join(folder, 'cgroup.subtree_control');
  if (await listed('cgroup.subtree_control')) return undefined;
  if (!(await listed('cgroup.controllers')))
    return `${folder}/cgroup.controllers does not list ${controller}`;
  if (await holdsProcesses(folder)) return `${folder} holds processes itself, see cgroups(7)`;
  try {
    await writeFile(control, `+${controller}`);
    return undefined;
  } catch (error) {
    // EACCES, EROFS: it was not delegated to us. The other limits hold all the same.
    return `"+${controller}" can't be written to ${control} (${errnoName(error)})`;
  }
}

/**
 * Most controllers are refused then (EBUSY). Some are not, and make the folder one of threads: nothing could be put
 * into a folder below it any more. The root of the hierarchy, which has no type, may hold both.
 */
async function holdsProcesses(folder: string): Promise<boolean> {
  if (!(await exists(path.join(folder, 'cgroup.type')))) return false;
  return (await readFile(path.join(folder, 'cgroup.procs'), 'utf8')) !== '';
}

function errnoName(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/**
 * Moves processes out of a folder that will have controllers for others. There is one where a service manager has
 * made the folder: the one that it runs to keep it.
 */
async function evacuate(folder: string, to: string): Promise<void> {
  for (const pid of (await readFile(path.join(folder, 'cgroup.procs'), 'utf8')).split('\n')) {
    if (pid === '') continue;
    try {
      await writeFile(path.join(to, 'cgroup.procs'), pid);
    } catch (error) {
      if (!hasErrno(error, 'ESRCH')) throw error; // it has ended meanwhile
    }
  }
}

/** A fresh cpuset of version 1 is empty, and nothing can be put into it. Gives all CPUs of the host. */
async function inheritCpus(mount: string, name: string): Promise<string> {
  const read = async (file: string): Promise<string> =>
    (await readFile(path.join(mount, file), 'utf8')).trim();
  const [cpus, mems] = [await read('cpuset.cpus'), await read('cpuset.mems')];
  let folder = mount;
  for (const part of name.split('/')) {
    folder = path.join(folder, part);
    await writeFile(path.join(folder, 'cpuset.cpus'), cpus);
    await writeFile(path.join(folder, 'cpuset.mems'), mems);
    await writeFile(path.join(folder, 'cgroup.clone_children'), '1');
  }
  return cpus;
}

interface CgroupMount {
  readonly path: string;
  readonly options: ReadonlySet<string>;
}

/** The cgroup mounts of a /proc/PID/mountinfo (proc(5)). */
export function cgroupMounts(mountinfo: string): { v1: CgroupMount[]; v2: string | undefined } {
  const v1: CgroupMount[] = [];
  const seen = new Set<string>();
  let v2: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const [, , device = '', , mounted] = before?.split(' ') ?? [];
    const [type, , options] = after?.split(' ') ?? [];
    if (mounted === undefined) continue;
    const place = mountPath(mounted);
    if (type === 'cgroup2') v2 ??= place;
    // Containers and bind mounts show a hierarchy a second time; it is the same one.
    if (type === 'cgroup' && !seen.has(device))
      v1.push({ path: place, options: new Set(options?.split(',')) });
    seen.add(device);
  }
  return { v1, v2 };
}

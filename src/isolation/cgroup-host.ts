// The host's cgroups: which hierarchies there are, our folder in each, and how a limit is written there. The
// sandbox's own cgroup is made by its supervisor (native/supervisor/cgroup.h says why).

import { readFileSync, writeFileSync } from 'node:fs';
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DockershError, hasErrno, toDockershError } from '../lib/errors.ts';
import {
  allLimitFiles,
  type Controller,
  type LimitKey,
  type Limits,
  limitFiles,
  rareControllers,
  usualControllers,
} from './cgroup-limits.ts';
import { readUsage, type Usage } from './cgroup-usage.ts';

export type CgroupMode = 'v1' | 'v2' | 'hybrid';
/** No limit, but sandboxes are paused with it. On v2 it needs no controller. */
const freezer = 'freezer';

/** A value to be written to a file of the sandbox's cgroup in the given hierarchy. */
export interface LimitWrite {
  readonly hierarchy: number;
  readonly file: string;
  readonly value: string;
}

/** On v2, where a folder with controllers for others may hold no process itself (cgroups(7)). */
const supervisorsFolder = 'supervisors';

/**
 * The name of a sandbox's cgroup. The uid makes it unique; the user's name is for people (systemd-cgls). It goes
 * into paths and onto terminals, so only harmless characters of it are kept.
 */
export function cgroupName(uid: number, user: string): string {
  return `u${uid}-${user.replace(/[^A-Za-z0-9@_-]/g, '_').slice(0, 32)}`;
}

/** What not every host is asked for. */
export interface CgroupNeeds {
  /** Of the rare controllers, those that the policy has a use for. */
  readonly rare?: ReadonlySet<Controller>;
  /** The disk that holds what users write (disk.ts). */
  readonly disk?: string | undefined;
}

interface Wanted {
  readonly controllers: readonly Controller[];
  readonly disk: string | undefined;
}

const v1Name = (controller: Controller): string => (controller === 'io' ? 'blkio' : controller);

interface Hierarchy {
  readonly parent: string;
  readonly controllers: ReadonlySet<Controller>;
}

export class CgroupHost {
  readonly mode: CgroupMode;
  readonly #hierarchies: readonly Hierarchy[];
  readonly countsSwap: boolean;
  readonly disk: string | undefined;
  readonly allCpus: string;

  private constructor(
    mode: CgroupMode,
    hierarchies: readonly Hierarchy[],
    facts: { countsSwap: boolean; disk: string | undefined; allCpus?: string },
  ) {
    this.mode = mode;
    this.#hierarchies = hierarchies;
    this.countsSwap = facts.countsSwap;
    this.disk = facts.disk;
    this.allCpus = facts.allCpus ?? '';
  }

  /**
   * Finds the hierarchies and makes the folder `name` in each, which may be a path: below systemd, that of a unit
   * whose cgroup is delegated. Throws E_KERNEL where there is no hierarchy.
   */
  static async open(
    name: string,
    mountinfo = readFileSync('/proc/self/mountinfo', 'utf8'),
    needs: CgroupNeeds = {},
  ): Promise<CgroupHost> {
    const mounts = cgroupMounts(mountinfo);
    const limiting = mounts.v1.filter(({ options }) => usualControllers.some((name) => options.has(name)));
    const rare = rareControllers.filter((name) => needs.rare?.has(name) === true);
    const others = mounts.v1.filter(
      ({ options }) => options.has(freezer) || rare.some((name) => options.has(v1Name(name))),
    );
    // A v1 freezer alone beside a v2 hierarchy with everything else is not worth a second way.
    const v1 = limiting.length > 0 ? [...new Set([...limiting, ...others])] : [];
    const wanted = { controllers: [...usualControllers, ...rare], disk: needs.disk };
    try {
      return v1.length > 0
        ? await CgroupHost.#openV1(name, v1, mounts.v2 === undefined ? 'v1' : 'hybrid', wanted)
        : await CgroupHost.#openV2(name, mounts.v2, wanted);
    } catch (error) {
      throw toDockershError(error, 'E_KERNEL');
    }
  }

  static async #openV1(
    name: string,
    mounts: readonly CgroupMount[],
    mode: CgroupMode,
    { controllers, disk }: Wanted,
  ): Promise<CgroupHost> {
    const hierarchies = mounts.map((mount) => ({
      parent: path.join(mount.path, name),
      controllers: new Set(controllers.filter((controller) => mount.options.has(v1Name(controller)))),
    }));
    for (const { parent } of hierarchies) await mkdir(parent, { recursive: true });
    const cpuset = mounts[hierarchies.findIndex((hierarchy) => hierarchy.controllers.has('cpuset'))];
    const allCpus = cpuset === undefined ? '' : await inheritCpus(cpuset.path, name);
    const memory = hierarchies.find((hierarchy) => hierarchy.controllers.has('memory'));
    const countsSwap =
      memory !== undefined && (await exists(path.join(memory.parent, 'memory.memsw.limit_in_bytes')));
    return new CgroupHost(mode, hierarchies, { countsSwap, disk, allCpus });
  }

  static async #openV2(
    name: string,
    mount: string | undefined,
    { controllers, disk }: Wanted,
  ): Promise<CgroupHost> {
    if (mount === undefined) {
      throw new DockershError('E_KERNEL', {
        what: 'no cgroup hierarchy is mounted',
        hint: 'Mount cgroup2 at /sys/fs/cgroup.',
      });
    }
    const parent = path.join(mount, name);
    await mkdir(path.join(parent, supervisorsFolder), { recursive: true });
    await evacuate(parent, path.join(parent, supervisorsFolder));
    const available = new Set<Controller>();
    for (const controller of controllers) {
      if (await enableDownTo(mount, name, controller)) available.add(controller);
    }
    const countsSwap = available.has('memory');
    return new CgroupHost('v2', [{ parent, controllers: available }], { countsSwap, disk });
  }

  /** 1 or 2: how the supervisor makes and joins the sandbox's cgroup. */
  get version(): 1 | 2 {
    return this.mode === 'v2' ? 2 : 1;
  }

  get parents(): readonly string[] {
    return this.#hierarchies.map((hierarchy) => hierarchy.parent);
  }

  /**
   * Puts the process that will fork supervisors where they shall live: not in the daemon's own cgroup, which a
   * service manager may clear when the daemon ends. Moving takes some milliseconds and happens once a daemon.
   */
  placeLauncher(pid: number): void {
    const [hierarchy] = this.#hierarchies;
    if (this.version === 1 || hierarchy === undefined) return; // these hierarchies are no service manager's
    writeFileSync(path.join(hierarchy.parent, supervisorsFolder, 'cgroup.procs'), String(pid));
  }

  /**
   * What has to be written for these limits. Throws E_LIMIT_REFUSED where the host lacks a controller, unless
   * the policy is content with what there is.
   */
  writesFor(limits: Limits, strict = true): LimitWrite[] {
    const writes: LimitWrite[] = [];
    for (const { controller, key, file, value } of limitFiles(limits, this)) {
      const hierarchy = this.#hierarchyOf(controller);
      if (hierarchy >= 0) writes.push({ hierarchy, file, value });
      else if (strict) throw unenforceable(key, controller);
    }
    return writes;
  }

  /** Keys of these limits that nothing on this host enforces, with the controller that is missing. */
  unenforced(limits: Limits): ReadonlyMap<LimitKey, Controller> {
    const missing = limitFiles(limits, this).filter(({ controller }) => this.#hierarchyOf(controller) < 0);
    return new Map(missing.map(({ key, controller }) => [key, controller]));
  }

  #hierarchyOf(controller: Controller): number {
    if (controller === 'io' && this.disk === undefined) return -1;
    return this.#hierarchies.findIndex((candidate) => candidate.controllers.has(controller));
  }

  /** Has a running sandbox keep to other limits from now on. Throws E_LIMIT_REFUSED where the kernel does. */
  async apply(name: string, limits: Limits): Promise<void> {
    const files = allLimitFiles(limits, this).flatMap(({ controller, file, value }) => {
      const parent = this.#hierarchies[this.#hierarchyOf(controller)]?.parent;
      return parent === undefined ? [] : [{ path: path.join(parent, name, file), value }];
    });
    let left = files;
    // v1 wants memory and memory with swap changed in one order to grow and in the other to shrink.
    for (const order of [files, files.toReversed()]) {
      const failed: { path: string; value: string; error: unknown }[] = [];
      for (const write of order.filter((one) => left.includes(one))) {
        await writeFile(write.path, write.value).catch((error: unknown) => failed.push({ ...write, error }));
      }
      left = files.filter((one) => failed.some(({ path: at }) => at === one.path));
      const [first] = failed;
      if (first === undefined) return;
      if (order !== files) throw toDockershError(first.error, 'E_LIMIT_REFUSED');
    }
  }

  /** What a sandbox uses now; null for what this host does not count. */
  async usage(name: string): Promise<Usage> {
    return await readUsage(this.version, (controller) => {
      const parent = this.#hierarchies[this.#hierarchyOf(controller)]?.parent;
      return parent === undefined ? undefined : path.join(parent, name);
    });
  }

  /** Removes the empty cgroups of sandboxes that are not in `living` (what a killed supervisor left). */
  async removeStale(living: ReadonlySet<string>): Promise<void> {
    for (const parent of this.parents) {
      for (const entry of await readdir(parent, { withFileTypes: true })) {
        if (!entry.isDirectory() || living.has(entry.name) || entry.name === supervisorsFolder) continue;
        await removeCgroup(path.join(parent, entry.name));
      }
    }
  }

  /** Removes one sandbox's cgroups, where a killed supervisor left them. */
  async removeSandbox(name: string): Promise<void> {
    for (const parent of this.parents) await removeCgroup(path.join(parent, name));
  }

  /** Takes our own folders away again. Only for throw-away daemons: sandboxes must be gone. */
  async remove(): Promise<void> {
    for (const parent of this.parents) {
      // The launcher ends when the daemon's end of its socket is closed, which is a moment ago.
      for (let attempt = 0; attempt < 100; attempt += 1) {
        if (await removeCgroup(path.join(parent, supervisorsFolder))) break;
        await delay(10);
      }
      await removeCgroup(parent);
    }
  }
}

function unenforceable(key: string, controller: Controller): DockershError {
  return new DockershError('E_LIMIT_REFUSED', {
    what: `the limit "${key}" can't be enforced`,
    why: rareControllers.includes(controller)
      ? `there is no ${controller} controller for it: the host lacks it, or the policy began to ask for it after dockershd was started`
      : `this host's cgroups have no ${controller} controller`,
    hint: rareControllers.includes(controller)
      ? 'Restart dockershd (sessions go on), take the limit away in the policy, or write "strict = no".'
      : `Enable the ${controller} controller, take the limit away in the policy, or write "strict = no".`,
  });
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
    const [, , device = '', , mountPath] = before?.split(' ') ?? [];
    const [type, , options] = after?.split(' ') ?? [];
    if (mountPath === undefined) continue;
    if (type === 'cgroup2') v2 ??= mountPath;
    // Containers and bind mounts show a hierarchy a second time; it is the same one.
    if (type === 'cgroup' && !seen.has(device))
      v1.push({ path: mountPath, options: new Set(options?.split(',')) });
    seen.add(device);
  }
  return { v1, v2 };
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

/** Makes a controller count in `name` and for what is in it, where the host has the controller at all. */
async function enableDownTo(mount: string, name: string, controller: Controller): Promise<boolean> {
  let folder = mount;
  for (const part of ['', ...name.split('/')]) {
    folder = path.join(folder, part);
    if (!(await enableController(folder, controller))) return false;
  }
  return true;
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

async function enableController(folder: string, controller: Controller): Promise<boolean> {
  const listed = async (file: string): Promise<boolean> =>
    (await readFile(path.join(folder, file), 'utf8')).split(/\s+/).includes(controller);
  // Where it is enabled already the folder may be somebody else's, and stays as it is.
  if (await listed('cgroup.subtree_control')) return true;
  if (!(await listed('cgroup.controllers'))) return false;
  await writeFile(path.join(folder, 'cgroup.subtree_control'), `+${controller}`);
  return true;
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false; // whatever the reason, it can't be written either
  }
}

/** Whether it is gone. */
async function removeCgroup(folder: string): Promise<boolean> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await rmdir(folder);
      return true;
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return true;
      // Something still runs in it; it is not ours to end here.
      if (!hasErrno(error, 'EBUSY', 'ENOTEMPTY')) throw error;
    }
    if (attempt === 0 && !(await thaw(folder))) return false;
    if (attempt === thawPatience) return false;
    await delay(10);
  }
}

/** Of 10 ms: what was killed while it stood still ends now. */
const thawPatience = 100;

/** Lets run on what a supervisor had paused that was killed meanwhile. False: nothing was paused. */
async function thaw(folder: string): Promise<boolean> {
  for (const [file, frozen, command] of freezers) {
    try {
      if (!frozen.test(await readFile(path.join(folder, file), 'utf8'))) continue;
      await writeFile(path.join(folder, file), command);
      return true;
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'ENODEV')) throw error; // another hierarchy, or gone
    }
  }
  return false;
}

/** native/supervisor/pause.c has the same for both versions. */
const freezers = [
  ['freezer.state', /^(?:FROZEN|FREEZING)/, 'THAWED'],
  ['cgroup.freeze', /^1/, '0'],
] as const;

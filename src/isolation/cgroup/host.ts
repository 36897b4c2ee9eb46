// Uses the host's cgroups for the daemon: writes limits, reads what a sandbox uses, and removes what is left over.
// The sandbox's own cgroup is made by its supervisor (native/supervisor/cgroup/cgroup.h says why).

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DockershError, hasErrno, toDockershError } from '../../lib/errors.ts';
import type { CgroupFacts, Controller } from '../../limits/entry.ts';
import {
  allLimitFiles,
  diskLifts,
  type LimitKey,
  type Limits,
  limitFiles,
  rareControllers,
  type UsedOfLimits,
  unheld,
} from '../../limits/limits.ts';
import {
  type CgroupMode,
  type CgroupNeeds,
  type Hierarchies,
  openHierarchies,
  supervisorsFolder,
} from './hierarchies.ts';
import { Pinning } from './pinning.ts';
import { removeCgroup } from './removal.ts';
import { hostSwaps, unenforceable } from './unenforced.ts';
import { type FolderOf, readUsage, readUsed, type Usage } from './usage.ts';

export type { CgroupMode } from './hierarchies.ts';

/** A value to be written to a file of the sandbox's cgroup in the given hierarchy. */
export interface LimitWrite {
  readonly hierarchy: number;
  readonly file: string;
  readonly value: string;
}

/**
 * The name of a sandbox's cgroup. The uid makes it unique; the user's name is for people (systemd-cgls). It goes
 * into paths and onto terminals, so only harmless characters of it are kept.
 */
export function cgroupName(uid: number, user: string): string {
  return `u${uid}-${user.replace(/[^A-Za-z0-9@_-]/g, '_').slice(0, 32)}`;
}

/** Sandboxes of one user whose processes may hang in the kernel, besides the one that runs. */
const mostLeft = 4;
/** Of 20 ms. */
const freePatience = 25;

export class CgroupHost {
  readonly #hierarchies: Hierarchies;
  /** Names that more was left of, when it was last looked, than could be cleared away. */
  readonly #stuck = new Set<string>();
  readonly #pinning = new Pinning();

  private constructor(hierarchies: Hierarchies) {
    this.#hierarchies = hierarchies;
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
    try {
      return new CgroupHost(await openHierarchies(name, mountinfo, needs));
    } catch (error) {
      throw toDockershError(error, 'E_KERNEL');
    }
  }

  get mode(): CgroupMode {
    return this.#hierarchies.mode;
  }

  /** 1 or 2: how the supervisor makes and joins the sandbox's cgroup. */
  get version(): 1 | 2 {
    return this.mode === 'v2' ? 2 : 1;
  }

  get parents(): readonly string[] {
    return this.#hierarchies.all.map((hierarchy) => hierarchy.parent);
  }

  /** Where sandboxes get cgroups of their own in the hierarchy of version 2, made if it was not there. */
  async unifiedParent(): Promise<string | undefined> {
    const { unified } = this.#hierarchies;
    if (unified !== undefined) await mkdir(unified, { recursive: true });
    return unified;
  }

  /** Our folders, that of a hierarchy without controllers included. */
  #folders(): Set<string> {
    const { unified } = this.#hierarchies;
    const there = unified !== undefined && existsSync(unified);
    return new Set([...this.parents, ...(there ? [unified] : [])]);
  }

  /** `name`: of the sandbox's cgroup; undefined where no CPUs have to be chosen for it. */
  #facts(name?: string): CgroupFacts {
    const { countsSwap, countsSockets, disk, allCpus } = this.#hierarchies;
    const pin = (count: number, among: string | null): string => {
      const parent = this.parents[this.#hierarchyOf('cpuset')];
      if (parent === undefined || name === undefined) return among ?? allCpus;
      return this.#pinning.choose(parent, name, count, among ?? allCpus, allCpus);
    };
    return { version: this.version, countsSwap, countsSockets, disk, allCpus, pin };
  }

  /**
   * Puts the process that will fork supervisors where they shall live: not in the daemon's own cgroup, which a
   * service manager may clear when the daemon ends. Moving takes some milliseconds and happens once a daemon.
   */
  placeLauncher(pid: number): void {
    const [parent] = this.parents;
    if (this.version === 1 || parent === undefined) return; // these hierarchies are no service manager's
    writeFileSync(path.join(parent, supervisorsFolder, 'cgroup.procs'), String(pid));
  }

  /**
   * What has to be written for these limits. Throws E_LIMIT_REFUSED where the host cannot hold one, unless
   * the policy is content with what there is. `name`: of the cgroup.
   */
  writesFor(limits: Limits, strict = true, name?: string): LimitWrite[] {
    const [problem] = strict ? this.unenforced(limits) : [];
    if (problem !== undefined) throw unenforceable(...problem);
    return limitFiles(limits, this.#facts(name)).flatMap(({ controller, file, value }) => {
      const hierarchy = this.#hierarchyOf(controller);
      return hierarchy < 0 ? [] : [{ hierarchy, file, value }];
    });
  }

  /**
   * What a sandbox that ends has to write, behind the number of each disk that a file names, to lift what limits disks:
   * whoever takes the last mounts away writes back what is left.
   */
  get lifts(): LimitWrite[] {
    return diskLifts(this.version).flatMap(({ controller, file, value }) => {
      const hierarchy = this.#hierarchyOf(controller);
      return hierarchy < 0 ? [] : [{ hierarchy, file, value }];
    });
  }

  /** Keys of these limits that nothing on this host enforces, and why. */
  unenforced(limits: Limits): ReadonlyMap<LimitKey, string> {
    const missing = limitFiles(limits, this.#facts()).filter(
      ({ controller }) => this.#hierarchyOf(controller) < 0,
    );
    return new Map([
      ...missing.map(({ key, controller }): [LimitKey, string] => [key, this.#whyMissing(controller)]),
      ...unheld(limits, this.#facts(), hostSwaps),
    ]);
  }

  #whyMissing(controller: Controller): string {
    const known = this.#hierarchies.missing.get(controller);
    const why = `there is no ${controller} controller for it`;
    if (known !== undefined) return `${why}: ${known}`;
    return this.version === 1 && rareControllers.includes(controller)
      ? `${why}: the host lacks it, or the policy began to ask for it after dockershd was started, which then has to be restarted (sessions go on)`
      : `${why}: this host's cgroups lack it`;
  }

  #hierarchyOf(controller: Controller): number {
    return this.#hierarchies.all.findIndex((candidate) => candidate.controllers.has(controller));
  }

  #folderOf(controller: Controller, name: string): string | undefined {
    const parent = this.parents[this.#hierarchyOf(controller)];
    return parent === undefined ? undefined : path.join(parent, name);
  }

  /**
   * Has a running sandbox keep to other limits from now on. `before`: those that are in force, where that is
   * certain; the others alone are written. Throws E_LIMIT_REFUSED where the kernel does.
   */
  async apply(name: string, limits: Limits, before?: Limits): Promise<void> {
    const text = (file: { file: string; value: string }): string => `${file.file} ${file.value}`;
    const current = new Set(before === undefined ? [] : allLimitFiles(before, this.#facts(name)).map(text));
    const files = allLimitFiles(limits, this.#facts(name)).flatMap((one) => {
      const folder = this.#folderOf(one.controller, name);
      if (folder === undefined || current.has(text(one))) return [];
      return [{ path: path.join(folder, one.file), value: one.value }];
    });
    let left = files;
    // v1 wants memory and memory with swap changed in one order to grow and in the other to shrink.
    for (const order of [files, files.toReversed()]) {
      const failed: { path: string; value: string; error: unknown }[] = [];
      for (const write of order.filter((one) => left.includes(one))) {
        await writeFile(write.path, write.value).catch((error: unknown) => failed.push({ ...write, error }));
      }
      left = files.filter((one) =>
        failed.some(({ path: at, value }) => at === one.path && value === one.value),
      );
      const [first] = failed;
      if (first === undefined) return;
      if (order !== files) throw toDockershError(first.error, 'E_LIMIT_REFUSED');
    }
  }

  /** What a sandbox uses now; null for what this host does not count. */
  async usage(name: string): Promise<Usage> {
    return await readUsage(this.version, this.#counting(name));
  }

  /** Of that, what is named. */
  async used<K extends keyof UsedOfLimits>(
    name: string,
    names: readonly K[],
  ): Promise<Pick<UsedOfLimits, K>> {
    return await readUsed(this.version, this.#counting(name), names);
  }

  #counting(name: string): FolderOf {
    const [parent] = this.parents;
    return this.version === 2 && parent !== undefined
      ? () => path.join(parent, name) // it counts some things without any controller
      : (controller) => this.#folderOf(controller, name);
  }

  /** Removes the empty cgroups of sandboxes that are not in `living` (what a killed supervisor left). */
  async removeStale(living: ReadonlySet<string>): Promise<void> {
    for (const parent of this.#folders()) {
      for (const entry of await readdir(parent, { withFileTypes: true })) {
        if (!entry.isDirectory() || living.has(entry.name) || entry.name === supervisorsFolder) continue;
        await removeCgroup(path.join(parent, entry.name));
      }
    }
  }

  /** Removes one sandbox's cgroups, where a killed supervisor left them. */
  async removeSandbox(name: string): Promise<void> {
    for (const parent of this.#folders()) await removeCgroup(path.join(parent, name));
  }

  /**
   * A name for a sandbox's cgroup that no other has: `name` itself, unless what ran under it hangs in the kernel. Call
   * while the user has no sandbox.
   * Throws E_STUCK where that is so of several.
   */
  async freeName(name: string): Promise<string> {
    // Most often nothing is left of anybody: the other names are not even looked at.
    if (!this.#stuck.has(name) && (await this.#isFree(name, 1))) return name;
    let free: string | undefined;
    let left = 0;
    for (let number = 1; number <= mostLeft; number += 1) {
      const candidate = number === 1 ? name : `${name}.${number}`;
      // What a killed supervisor left may still be ending; what is not needed is only cleared away.
      const isFree = await this.#isFree(candidate, free === undefined ? freePatience : 1);
      if (isFree) free ??= candidate;
      else left += 1;
    }
    if (left > 0) this.#stuck.add(name);
    else this.#stuck.delete(name);
    if (free === undefined) throw new DockershError('E_STUCK');
    return free;
  }

  async #isFree(name: string, attempts: number): Promise<boolean> {
    const isThere = (): boolean => [...this.#folders()].some((parent) => existsSync(path.join(parent, name)));
    for (let attempt = 0; isThere(); attempt += 1) {
      if (attempt === attempts) return false;
      if (attempt > 0) await delay(20);
      await this.removeSandbox(name);
    }
    return true;
  }

  /** Kills everything in a sandbox's cgroup, where the kernel does that by itself. */
  kill(name: string): void {
    const [parent] = this.parents;
    if (this.version === 1 || parent === undefined) return;
    try {
      writeFileSync(path.join(parent, name, 'cgroup.kill'), '1');
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP')) throw error; // gone already, or before Linux 5.14
    }
  }

  /** Takes our own folders away again. Only for throw-away daemons: sandboxes must be gone. */
  async remove(): Promise<void> {
    for (const parent of this.#folders()) {
      // The launcher ends when the daemon's end of its socket is closed, which is a moment ago.
      for (let attempt = 0; attempt < 100; attempt += 1) {
        if (await removeCgroup(path.join(parent, supervisorsFolder))) break;
        await delay(10);
      }
      await removeCgroup(parent);
    }
  }
}

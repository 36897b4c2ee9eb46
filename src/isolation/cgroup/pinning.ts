// Chooses CPUs that a sandbox is bound to: those that the fewest other sandboxes are. What they are bound to, their cgroups say, so
// that a daemon which starts knows it as well.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { hasErrno } from '../../lib/errors.ts';

/** Between a choice, and the cgroup that has it. */
const settledMs = 10_000;

/** The numbers of a list such as "0-3,8" (cpuset(7)). */
export function cpusOf(list: string): number[] {
  const parts = list
    .trim()
    .split(',')
    .filter((part) => part !== '');
  return parts.flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

export class Pinning {
  /** By the names of cgroups, with when. */
  readonly #chosen = new Map<string, { readonly cpus: readonly number[]; readonly atMs: number }>();

  /**
   * `parent`: the folder of all sandboxes' cgroups, `name`: of this one, which keeps what it has where that is as wanted.
   * `among`: a list of CPUs. All of it where there are no more than are wanted.
   */
  choose(parent: string, name: string, count: number, among: string, all: string): string {
    const candidates = cpusOf(among);
    if (count >= candidates.length) return among;
    const has = bound(parent, name, all) ?? [];
    if (has.length === count && has.every((cpu) => candidates.includes(cpu))) return has.join(',');
    const uses = this.#uses(parent, name, all);
    const least = candidates.toSorted(
      (one, other) => (uses.get(one) ?? 0) - (uses.get(other) ?? 0) || one - other,
    );
    const cpus = least.slice(0, count).sort((one, other) => one - other);
    this.#chosen.set(name, { cpus, atMs: performance.now() });
    return cpus.join(',');
  }

  /** How many others are bound to each. */
  #uses(parent: string, name: string, all: string): Map<number, number> {
    const uses = new Map<number, number>();
    const count = (cpus: readonly number[]): void => {
      for (const cpu of cpus) uses.set(cpu, (uses.get(cpu) ?? 0) + 1);
    };
    const there = new Set(readdirSync(parent));
    for (const [other, { cpus, atMs }] of this.#chosen) {
      if (performance.now() - atMs > settledMs) this.#chosen.delete(other);
      else if (other !== name) count(cpus);
    }
    for (const other of there) {
      if (other !== name && !this.#chosen.has(other)) count(bound(parent, other, all) ?? []);
    }
    return uses;
  }
}

/** Undefined: to none. */
function bound(parent: string, name: string, all: string): number[] | undefined {
  try {
    const list = readFileSync(path.join(parent, name, 'cpuset.cpus'), 'utf8').trim();
    return list === '' || list === all ? undefined : cpusOf(list);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'ENODEV')) throw error;
    return undefined;
  }
}

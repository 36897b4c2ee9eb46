// Reads what a sandbox uses, as its cgroup counts it. null for what this host does not count.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { hasErrno } from '../../lib/errors.ts';
import type { CgroupVersion, Controller, ReadFile } from '../../limits/entry.ts';
import { limitEntries, type UsedOfLimits } from '../../limits/limits.ts';

export interface Usage extends UsedOfLimits {
  /** Percent of the last 10 seconds in which something of it had to wait (PSI). */
  readonly pressure: Pressure | null;
}

interface Pressure {
  readonly cpu: number;
  readonly memory: number;
  readonly io: number;
}

/** Where a sandbox's files of a controller are; undefined where the host lacks it. */
export type FolderOf = (controller: Controller) => string | undefined;

export async function readUsage(version: CgroupVersion, folderOf: FolderOf): Promise<Usage> {
  const used = await readUsed(version, folderOf);
  const pressure = version === 2 ? await pressureOf(filesIn(folderOf('cpu'))) : null;
  return { ...used, pressure };
}

/** Each number is a file to read: `names` are those that are wanted. */
export async function readUsed<K extends keyof UsedOfLimits>(
  version: CgroupVersion,
  folderOf: FolderOf,
  names?: readonly K[],
): Promise<Pick<UsedOfLimits, K>> {
  const reading = limitEntries.flatMap(([, { controller, used }]) => {
    if (used === undefined || names?.includes(used.as as K) === false) return [];
    return [{ as: used.as, value: used.read(filesIn(folderOf(controller)), version) }];
  });
  const read = await Promise.all(reading.map(async ({ as, value }) => [as, await value] as const));
  return Object.fromEntries(read) as unknown as Pick<UsedOfLimits, K>;
}

/** Not by Node's threads, which cost ten times what the kernel takes to say such a number: there are ten for each sandbox. */
const filesIn =
  (folder: string | undefined): ReadFile =>
  async (file) => {
    if (folder === undefined) return null;
    try {
      return readFileSync(path.resolve(folder, file), 'utf8');
    } catch (error) {
      // It has just ended; or this kernel has no such file (EOPNOTSUPP: PSI is switched off).
      if (!hasErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ESRCH')) throw error;
      return null;
    }
  };

async function pressureOf(read: ReadFile): Promise<Pressure | null> {
  const [cpu, memory, io] = await Promise.all(
    ['cpu', 'memory', 'io'].map(async (what) => {
      const some = /^some avg10=([\d.]+)/m.exec((await read(`${what}.pressure`)) ?? '')?.[1];
      return some === undefined ? undefined : Number(some);
    }),
  );
  if (cpu === undefined || memory === undefined || io === undefined) return null;
  return { cpu, memory, io };
}

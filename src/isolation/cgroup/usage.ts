// Reads what a sandbox uses, as its cgroup counts it. null for what this host does not count.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../lib/errors.ts';
import { type Controller, ownProcesses } from './limits.ts';

export interface Usage {
  readonly memoryBytes: number | null;
  /** Beyond that. */
  readonly swapBytes: number | null;
  readonly pids: number | null;
  /** Since its start. */
  readonly cpuUsec: number | null;
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

export async function readUsage(version: 1 | 2, folderOf: FolderOf): Promise<Usage> {
  const [memory, processes, cpu] = [folderOf('memory'), folderOf('pids'), folderOf('cpu')];
  const [memoryBytes, swapBytes, count, cpuUsec, pressure] = await Promise.all([
    number(memory, version === 2 ? 'memory.current' : 'memory.usage_in_bytes'),
    version === 2 ? number(memory, 'memory.swap.current') : swapOfV1(memory),
    number(processes, 'pids.current'),
    version === 2 ? usageUsec(cpu) : cpuOfV1(cpu),
    version === 2 ? pressureOf(cpu) : null,
  ]);
  const pids = count === null ? null : Math.max(0, count - ownProcesses);
  return { memoryBytes, swapBytes, pids, cpuUsec, pressure };
}

async function text(folder: string | undefined, file: string): Promise<string | null> {
  if (folder === undefined) return null;
  try {
    return await readFile(path.join(folder, file), 'utf8');
  } catch (error) {
    // It has just ended; or this kernel has no such file (EOPNOTSUPP: PSI is switched off).
    if (!hasErrno(error, 'ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ESRCH')) throw error;
    return null;
  }
}

async function number(folder: string | undefined, file: string): Promise<number | null> {
  const read = await text(folder, file);
  return read === null ? null : Number(read);
}

/** Which counts swap by itself in one line of many. */
async function swapOfV1(folder: string | undefined): Promise<number | null> {
  const bytes = /^swap (\d+)$/m.exec((await text(folder, 'memory.stat')) ?? '')?.[1];
  return bytes === undefined ? null : Number(bytes);
}

async function usageUsec(folder: string | undefined): Promise<number | null> {
  const usec = /^usage_usec (\d+)$/m.exec((await text(folder, 'cpu.stat')) ?? '')?.[1];
  return usec === undefined ? null : Number(usec);
}

/** cpuacct is mounted with cpu nearly everywhere; elsewhere what runs is added up. */
async function cpuOfV1(folder: string | undefined): Promise<number | null> {
  const ns = await number(folder, 'cpuacct.usage');
  if (ns !== null) return Math.round(ns / 1000);
  const procs = await text(folder, 'cgroup.procs');
  if (procs === null) return null;
  const all = procs.split('\n').filter((pid) => pid !== '');
  const times = await Promise.all(all.map(async (pid) => cpuOfStat(await text(`/proc/${pid}`, 'stat'))));
  return times.reduce((sum, usec) => sum + usec, 0);
}

/** USER_HZ, which the kernel shows times in, is 100 on every architecture of ours. */
const usecPerTick = 10_000;

/** Fields 14 to 17 of /proc/PID/stat (proc_pid_stat(5)): its own time, and that of children it has waited for. */
function cpuOfStat(stat: string | null): number {
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * usecPerTick;
}

async function pressureOf(folder: string | undefined): Promise<Pressure | null> {
  const [cpu, memory, io] = await Promise.all(
    ['cpu', 'memory', 'io'].map(async (what) => {
      const some = /^some avg10=([\d.]+)/m.exec((await text(folder, `${what}.pressure`)) ?? '')?.[1];
      return some === undefined ? undefined : Number(some);
    }),
  );
  if (cpu === undefined || memory === undefined || io === undefined) return null;
  return { cpu, memory, io };
}

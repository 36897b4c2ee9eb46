// Reads what a cgroup counts, for the table of limits (table.ts). null for what this host does not count.

import type { ReadFile } from './entry.ts';

export const numberIn = async (read: ReadFile, file: string): Promise<number | null> => {
  const text = await read(file);
  return text === null ? null : Number(text);
};
/** The first number that a line of a file has, behind its name. */
export const lineIn = async (read: ReadFile, file: string, name: string): Promise<number | null> => {
  const number = new RegExp(`^${name} (\\d+)$`, 'm').exec((await read(file)) ?? '')?.[1];
  return number === undefined ? null : Number(number);
};

/** cpuacct is mounted with cpu nearly everywhere; elsewhere what runs is added up. */
export async function cpuOfV1(read: ReadFile): Promise<number | null> {
  const ns = await numberIn(read, 'cpuacct.usage');
  if (ns !== null) return Math.round(ns / 1000);
  const procs = await read('cgroup.procs');
  if (procs === null) return null;
  const all = procs.split('\n').filter((pid) => pid !== '');
  const times = await Promise.all(all.map(async (pid) => cpuOfStat(await read(`/proc/${pid}/stat`))));
  return times.reduce((sum, usec) => sum + usec, 0);
}

/** USER_HZ, which the kernel shows times in, is 100 on every architecture of ours. */
const usecPerTick = 10_000;

/** Fields 14 to 17 of /proc/PID/stat (proc_pid_stat(5)): its own time, and that of children it has waited for. */
function cpuOfStat(stat: string | null): number {
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * usecPerTick;
}

// Turns a sandbox's limits into the cgroup files that hold them, of either version. Pure.

export type Controller = 'memory' | 'cpu' | 'pids' | 'cpuset' | 'io';
/** Those that every sandbox is under. */
export const usualControllers: readonly Controller[] = ['memory', 'cpu', 'pids'];
/** Those that cost something on version 1, where each is one more folder to join: only where the policy asks. */
export const rareControllers: readonly Controller[] = ['cpuset', 'io'];

/** null: no limit. */
export interface Limits {
  readonly memoryBytes: number | null;
  /** Beyond memoryBytes; without a limit there, there is none here. */
  readonly swapBytes: number | null;
  /** From here on the sandbox is slowed down and its memory reclaimed. */
  readonly memoryHighBytes: number | null;
  /** What the kernel ends where memory is short: the largest process, or everything in the sandbox. */
  readonly oomKills: 'process' | 'sandbox';
  readonly cpus: number | null;
  readonly pids: number | null;
  /** Share of CPU time while it is short; 100 is everybody's. */
  readonly cpuWeight: number;
  /** "0-3,8" */
  readonly cpuset: string | null;
  // Bytes and operations a second, of the disk that holds what users write.
  readonly ioReadBytes: number | null;
  readonly ioWriteBytes: number | null;
  readonly ioReadOps: number | null;
  readonly ioWriteOps: number | null;
}

export type LimitKey =
  | 'memory'
  | 'swap'
  | 'memory_high'
  | 'oom_kills'
  | 'cpus'
  | 'pids'
  | 'cpu_weight'
  | 'cpuset'
  | 'io_read'
  | 'io_write'
  | 'io_read_ops'
  | 'io_write_ops';

/** No limit at all. */
export const unlimited: Limits = {
  memoryBytes: null,
  swapBytes: null,
  memoryHighBytes: null,
  oomKills: 'process',
  cpus: null,
  pids: null,
  cpuWeight: 100,
  cpuset: null,
  ioReadBytes: null,
  ioWriteBytes: null,
  ioReadOps: null,
  ioWriteOps: null,
};

/** These limits and nothing else of what they are taken from. */
export function limitsOf(from: Limits): Limits {
  const { memoryBytes, swapBytes, memoryHighBytes, oomKills, cpus, pids, cpuWeight, cpuset } = from;
  const { ioReadBytes, ioWriteBytes, ioReadOps, ioWriteOps } = from;
  const disk = { ioReadBytes, ioWriteBytes, ioReadOps, ioWriteOps };
  return { memoryBytes, swapBytes, memoryHighBytes, oomKills, cpus, pids, cpuWeight, cpuset, ...disk };
}

export interface LimitFile {
  readonly controller: Controller;
  /** Of the policy, for messages. */
  readonly key: LimitKey;
  readonly file: string;
  readonly value: string;
}

/** Our own processes in a sandbox's cgroup (PID 1 and the spawner), which are not the user's. */
export const ownProcesses = 2;
const cpuPeriodUs = 100_000;
const usualWeight = 100;

export interface CgroupFacts {
  readonly version: 1 | 2;
  /** The kernel counts swap as well: without a limit on it, one on memory could be evaded. */
  readonly countsSwap: boolean;
  /** The kernel has a limit of its own on sockets' buffers, which memory's does not count (version 1). */
  readonly countsSockets: boolean;
  /** "254:0"; undefined: what users write lies on nothing that the kernel can count for. */
  readonly disk: string | undefined;
  /** All that there are: what no limit on them means. */
  readonly allCpus: string;
}

/** What a fresh cgroup has to be told: only what is a limit. */
export function limitFiles(limits: Limits, facts: CgroupFacts): LimitFile[] {
  const { cpus, pids, cpuWeight } = limits;
  return [
    ...(limits.memoryBytes === null ? [] : memoryFiles(limits, facts)),
    ...(limits.memoryHighBytes === null ? [] : highFiles(limits, facts)),
    ...(limits.oomKills === 'process' ? [] : oomFiles(limits, facts)),
    ...(cpus === null ? [] : cpuFiles(cpus, facts)),
    ...(pids === null ? [] : pidsFiles(pids)),
    ...(cpuWeight === usualWeight ? [] : weightFiles(cpuWeight, facts)),
    ...(limits.cpuset === null ? [] : cpusetFiles(limits.cpuset, facts)),
    ...ioFiles(limits, facts, false),
  ];
}

/** What a cgroup has to be told that may have been told otherwise: also that there is no limit. */
export function allLimitFiles(limits: Limits, facts: CgroupFacts): LimitFile[] {
  return [
    ...memoryFiles(limits, facts),
    ...highFiles(limits, facts),
    ...oomFiles(limits, facts),
    ...cpuFiles(limits.cpus, facts),
    ...pidsFiles(limits.pids),
    ...weightFiles(limits.cpuWeight, facts),
    ...cpusetFiles(limits.cpuset, facts),
    ...ioFiles(limits, facts, true),
  ];
}

/** Limits that no controller of this version or kernel has, and why. `swaps`: the host has swap at all. */
export function unheld(limits: Limits, facts: CgroupFacts, swaps: () => boolean): [LimitKey, string][] {
  const { memoryBytes, swapBytes, memoryHighBytes, oomKills } = limits;
  const onlyInVersion2 = 'only cgroups of version 2 have such a limit';
  const found: [LimitKey, string][] = [];
  if (facts.version === 1 && memoryHighBytes !== null) found.push(['memory_high', onlyInVersion2]);
  if (facts.version === 1 && oomKills !== 'process') found.push(['oom_kills', onlyInVersion2]);
  // Where there is no swap, nothing needs to be counted.
  if (memoryBytes !== null && swapBytes !== null && !facts.countsSwap && swaps())
    found.push(['swap', 'the kernel does not count swap (it does when it is booted with swapaccount=1)']);
  return found;
}

function memoryFiles({ memoryBytes, swapBytes }: Limits, facts: CgroupFacts): LimitFile[] {
  const { version, countsSwap, countsSockets } = facts;
  const at = (key: LimitKey, file: string, bytes: number | null): LimitFile => ({
    controller: 'memory',
    key,
    file,
    value: bytes === null ? (version === 2 ? 'max' : '-1') : String(bytes),
  });
  const bounded = memoryBytes !== null && swapBytes !== null;
  if (version === 2) {
    const swap = at('swap', 'memory.swap.max', bounded ? swapBytes : null);
    return [at('memory', 'memory.max', memoryBytes), ...(countsSwap ? [swap] : [])];
  }
  // Version 1 limits the sum of both, which may never be less than memory.
  const sum = at('swap', 'memory.memsw.limit_in_bytes', bounded ? memoryBytes + swapBytes : null);
  // What is queued in sockets, TCP's and all others', comes on top there: a part, so that both together are near memory.
  const sockets = at('memory', 'memory.kmem.tcp.limit_in_bytes', socketBytes(memoryBytes));
  return [
    at('memory', 'memory.limit_in_bytes', memoryBytes),
    ...(countsSwap ? [sum] : []),
    ...(countsSockets ? [sockets] : []),
  ];
}

const socketBytes = (memoryBytes: number | null): number | null =>
  memoryBytes === null ? null : Math.floor(memoryBytes / 4);

function highFiles({ memoryHighBytes }: Limits, { version }: CgroupFacts): LimitFile[] {
  if (version === 1) return [];
  const value = memoryHighBytes === null ? 'max' : String(memoryHighBytes);
  return [{ controller: 'memory', key: 'memory_high', file: 'memory.high', value }];
}

function oomFiles({ oomKills }: Limits, { version }: CgroupFacts): LimitFile[] {
  if (version === 1) return [];
  const value = oomKills === 'sandbox' ? '1' : '0';
  return [{ controller: 'memory', key: 'oom_kills', file: 'memory.oom.group', value }];
}

function cpuFiles(cpus: number | null, { version }: CgroupFacts): LimitFile[] {
  const at = (file: string, value: string): LimitFile => ({ controller: 'cpu', key: 'cpus', file, value });
  const quota = cpus === null ? undefined : String(Math.max(1000, Math.round(cpus * cpuPeriodUs)));
  if (version === 2) return [at('cpu.max', `${quota ?? 'max'} ${cpuPeriodUs}`)];
  return [at('cpu.cfs_period_us', String(cpuPeriodUs)), at('cpu.cfs_quota_us', quota ?? '-1')];
}

function pidsFiles(pids: number | null): LimitFile[] {
  const value = pids === null ? 'max' : String(pids + ownProcesses);
  return [{ controller: 'pids', key: 'pids', file: 'pids.max', value }];
}

/** v1 counts in shares, of which everybody has 1024. */
function weightFiles(weight: number, { version }: CgroupFacts): LimitFile[] {
  const [file, value] =
    version === 2
      ? ['cpu.weight', weight]
      : ['cpu.shares', Math.max(2, Math.round((weight * 1024) / usualWeight))];
  return [{ controller: 'cpu', key: 'cpu_weight', file: String(file), value: String(value) }];
}

/** Which nodes of memory, the parent says. None cannot be written again once there are processes (ENOSPC). */
function cpusetFiles(cpuset: string | null, { allCpus }: CgroupFacts): LimitFile[] {
  return [{ controller: 'cpuset', key: 'cpuset', file: 'cpuset.cpus', value: cpuset ?? allCpus }];
}

const ioNames = [
  ['io_read', 'ioReadBytes', 'rbps', 'read_bps'],
  ['io_write', 'ioWriteBytes', 'wbps', 'write_bps'],
  ['io_read_ops', 'ioReadOps', 'riops', 'read_iops'],
  ['io_write_ops', 'ioWriteOps', 'wiops', 'write_iops'],
] as const;

/** `always`: also that there is none. */
function ioFiles(limits: Limits, { version, disk = '0:0' }: CgroupFacts, always: boolean): LimitFile[] {
  return ioNames.flatMap(([key, field, name, v1Name]): LimitFile[] => {
    const limit = limits[field];
    if (limit === null && !always) return [];
    const at = { controller: 'io', key } as const;
    return version === 2
      ? [{ ...at, file: 'io.max', value: `${disk} ${name}=${limit ?? 'max'}` }]
      : [{ ...at, file: `blkio.throttle.${v1Name}_device`, value: `${disk} ${limit ?? 0}` }];
  });
}

/** A line that limits nothing, which a kernel takes that can limit the disk. */
export function diskProbe(version: 1 | 2, disk: string): { readonly file: string; readonly value: string } {
  return version === 2
    ? { file: 'io.max', value: `${disk} rbps=max` }
    : { file: 'blkio.throttle.read_bps_device', value: `${disk} 0` };
}

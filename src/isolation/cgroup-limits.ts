// What a sandbox may use, and which files of a cgroup hold it in either version. Pure.

export type Controller = 'memory' | 'cpu' | 'pids';
export const controllers: readonly Controller[] = ['memory', 'cpu', 'pids'];

/** null: no limit. */
export interface Limits {
  readonly memoryBytes: number | null;
  readonly cpus: number | null;
  readonly pids: number | null;
  /** Share of CPU time while it is short; 100 is everybody's. */
  readonly cpuWeight: number;
}

export interface LimitFile {
  readonly controller: Controller;
  /** Of the policy, for messages. */
  readonly key: 'memory' | 'cpus' | 'pids' | 'cpu_weight';
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
}

/** What a fresh cgroup has to be told: only what is a limit. */
export function limitFiles(limits: Limits, facts: CgroupFacts): LimitFile[] {
  const { memoryBytes, cpus, pids, cpuWeight } = limits;
  return [
    ...(memoryBytes === null ? [] : memoryFiles(memoryBytes, facts)),
    ...(cpus === null ? [] : cpuFiles(cpus, facts)),
    ...(pids === null ? [] : pidsFiles(pids)),
    ...(cpuWeight === usualWeight ? [] : weightFiles(cpuWeight, facts)),
  ];
}

/** What a cgroup has to be told that may have been told otherwise: also that there is no limit. */
export function allLimitFiles(limits: Limits, facts: CgroupFacts): LimitFile[] {
  return [
    ...memoryFiles(limits.memoryBytes, facts),
    ...cpuFiles(limits.cpus, facts),
    ...pidsFiles(limits.pids),
    ...weightFiles(limits.cpuWeight, facts),
  ];
}

function memoryFiles(bytes: number | null, { version, countsSwap }: CgroupFacts): LimitFile[] {
  const at = (file: string, value: string): LimitFile => ({
    controller: 'memory',
    key: 'memory',
    file,
    value,
  });
  const value = bytes === null ? (version === 2 ? 'max' : '-1') : String(bytes);
  if (version === 2) {
    const swap = at('memory.swap.max', bytes === null ? 'max' : '0');
    return [at('memory.max', value), ...(countsSwap ? [swap] : [])];
  }
  const files = [at('memory.limit_in_bytes', value)];
  return countsSwap ? [...files, at('memory.memsw.limit_in_bytes', value)] : files;
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

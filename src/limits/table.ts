// The limits of a sandbox that its cgroup holds, each in one entry: its key and text in the policy, the values that it
// accepts, the files of either version, and how what is used of it is read. Policy, evaluation, cgroups, what is shown
// and the reference come from here; what the supervisor has to write and to lift it is sent as data. Pure.

import { cpuOfV1, lineIn, numberIn } from './counted.ts';
import { diskLimit, operations, rate } from './disk-limit.ts';
import { type CgroupVersion, type JointLimits, limit } from './entry.ts';

const MiB = 1024 * 1024;

/** Our own processes in a sandbox's cgroup (PID 1 and the spawner), which are not the user's. */
export const ownProcesses = 2;
/** PID_MAX_LIMIT of 64-bit kernels, see proc_sys_kernel(5) on pid_max. */
const mostPids = 4_194_304;
const cpuPeriodUs = 100_000;
const usualWeight = 100;

const rarely =
  'With cgroups of version 1, dockershd has to be restarted once before the first use of it in a policy.';
const onDisk = 'of the disk that holds what users write (layers and private homes)';
const onlyInVersion2 = 'only cgroups of version 2 have such a limit';

const bytesOrMax = (bytes: number | null, version: CgroupVersion): string =>
  bytes === null ? (version === 2 ? 'max' : '-1') : String(bytes);

/** A part of a CPU can't be told from the rest of it. */
const isPinned = (all: JointLimits): all is JointLimits & { readonly cpus: number } =>
  all.cpuPin === 'yes' && all.cpus !== null && Number.isInteger(all.cpus);

const rateValues = 'a size of at least 64K, or none';
const operationValues = 'a whole number of at least 10, or none';

export const limits = {
  memory: limit({
    field: 'memoryLimitBytes',
    accepts: { kind: 'size', least: 16 * MiB },
    defaultText: '2G',
    values: 'a size of at least 16M, or none',
    applies: 'now',
    user: 'most',
    doc: 'Memory of all processes of the sandbox together, /tmp and /dev/shm included. Above it, the kernel ends processes of this sandbox and no others.',
    example: '8G',
    nothing: null,
    sample: { memoryLimitBytes: 1 },
    shownAs: 'memoryLimitBytes',
    controller: 'memory',
    write: (bytes, { version, countsSockets }) => {
      if (version === 2) return [{ file: 'memory.max', value: bytesOrMax(bytes, version) }];
      // What is queued in sockets, TCP's and all others', comes on top there: a part, so that both are near memory.
      const sockets = bytes === null ? null : Math.floor(bytes / 4);
      return [
        { file: 'memory.limit_in_bytes', value: bytesOrMax(bytes, version) },
        ...(countsSockets
          ? [{ file: 'memory.kmem.tcp.limit_in_bytes', value: bytesOrMax(sockets, version) }]
          : []),
      ];
    },
    used: {
      as: 'memoryBytes',
      read: (read, version) => numberIn(read, version === 2 ? 'memory.current' : 'memory.usage_in_bytes'),
    },
  }),
  swap: limit({
    field: 'swapBytes',
    accepts: { kind: 'size', least: 0 },
    defaultText: '0',
    values: 'a size, or none',
    applies: 'now',
    user: 'most',
    doc: 'Swap that the sandbox may use beyond "memory": 0 for none of it, none for as much as there is. The default is no swap, because a sandbox that swaps keeps the disk busy for everybody; "memory" is then what it says. With "memory = none" this key does not count. Less than is in use is not taken back: the sandbox gets no more until it is below.',
    example: '1G',
    nothing: null,
    sample: { memoryLimitBytes: 1, swapBytes: 0 },
    controller: 'memory',
    write: (_, { version, countsSwap }, { memoryLimitBytes, swapBytes }) => {
      if (!countsSwap) return [];
      const bounded = memoryLimitBytes !== null && swapBytes !== null;
      if (version === 2)
        return [{ file: 'memory.swap.max', value: bytesOrMax(bounded ? swapBytes : null, version) }];
      // Version 1 limits the sum of both, which may never be less than memory.
      const sum = bytesOrMax(bounded ? memoryLimitBytes + swapBytes : null, version);
      return [{ file: 'memory.memsw.limit_in_bytes', value: sum }];
    },
    isSet: (_, { memoryLimitBytes }) => memoryLimitBytes !== null,
    // Where there is no swap, nothing needs to be counted.
    unheld: ({ countsSwap }, swaps, { swapBytes }) =>
      swapBytes !== null && !countsSwap && swaps()
        ? 'the kernel does not count swap (it does when it is booted with swapaccount=1)'
        : undefined,
    used: {
      as: 'swapBytes',
      read: (read, version) =>
        version === 2 ? numberIn(read, 'memory.swap.current') : lineIn(read, 'memory.stat', 'swap'),
    },
  }),
  memory_high: limit({
    field: 'memoryHighBytes',
    accepts: { kind: 'size', least: 16 * MiB },
    defaultText: 'none',
    values: 'a size of at least 16M, or none',
    applies: 'now',
    user: 'most',
    doc: 'From here on the kernel takes memory back from the sandbox, and slows it down where that is not enough, before "memory" ends anything. Only with cgroups of version 2.',
    example: '6G',
    nothing: null,
    sample: { memoryHighBytes: 1 },
    controller: 'memory',
    write: (bytes, { version }) =>
      version === 1 ? [] : [{ file: 'memory.high', value: bytesOrMax(bytes, version) }],
    unheld: ({ version }) => (version === 1 ? onlyInVersion2 : undefined),
  }),
  oom_kills: limit({
    field: 'oomKills',
    accepts: { kind: 'words', words: ['process', 'sandbox'] },
    defaultText: 'process',
    values: 'process, sandbox',
    applies: 'now',
    user: 'free',
    doc: 'What the kernel ends when the sandbox needs more than "memory". process: the process with the most memory; sessions and whatever else runs go on. sandbox: everything at once, sessions included, so that no half of a job is left; the next login starts anew. Only with cgroups of version 2; version 1 always ends one process.',
    example: 'sandbox',
    nothing: 'process',
    sample: { oomKills: 'sandbox' },
    controller: 'memory',
    write: (kills, { version }) =>
      version === 1 ? [] : [{ file: 'memory.oom.group', value: kills === 'sandbox' ? '1' : '0' }],
    unheld: ({ version }) => (version === 1 ? onlyInVersion2 : undefined),
    used: {
      as: 'oomKilled',
      read: (read, version) =>
        lineIn(read, version === 2 ? 'memory.events' : 'memory.oom_control', 'oom_kill'),
    },
  }),
  cpus: limit({
    field: 'cpus',
    accepts: { kind: 'cpus' },
    defaultText: 'none',
    values: 'a number of at least 0.01, or none',
    applies: 'now',
    user: 'most',
    doc: 'CPU time, in CPUs: 0.5 is half of one, 2 is two whole ones.',
    example: '2',
    nothing: null,
    sample: { cpus: 1 },
    shownAs: 'cpus',
    controller: 'cpu',
    write: (cpus, { version }) => {
      const quota = cpus === null ? undefined : String(Math.max(1000, Math.round(cpus * cpuPeriodUs)));
      if (version === 2) return [{ file: 'cpu.max', value: `${quota ?? 'max'} ${cpuPeriodUs}` }];
      return [
        { file: 'cpu.cfs_period_us', value: String(cpuPeriodUs) },
        { file: 'cpu.cfs_quota_us', value: quota ?? '-1' },
      ];
    },
    used: {
      as: 'cpuUsec',
      read: (read, version) => (version === 2 ? lineIn(read, 'cpu.stat', 'usage_usec') : cpuOfV1(read)),
    },
  }),
  pids: limit({
    field: 'pids',
    accepts: { kind: 'number', least: 16, most: mostPids, none: true },
    defaultText: '1024',
    values: `a whole number from 16 to ${mostPids}, or none`,
    applies: 'now',
    user: 'most',
    doc: 'Processes and threads of the sandbox together. A fork bomb ends here.',
    example: '256',
    nothing: null,
    sample: { pids: 1 },
    shownAs: 'pidsLimit',
    controller: 'pids',
    write: (pids) => [{ file: 'pids.max', value: pids === null ? 'max' : String(pids + ownProcesses) }],
    used: {
      as: 'pids',
      read: async (read) => {
        const count = await numberIn(read, 'pids.current');
        return count === null ? null : Math.max(0, count - ownProcesses);
      },
    },
  }),
  cpu_weight: limit({
    field: 'cpuWeight',
    accepts: { kind: 'number', least: 1, most: 10_000, none: false },
    defaultText: String(usualWeight),
    values: 'a whole number from 1 to 10000',
    applies: 'now',
    user: 'most',
    doc: 'Share of the CPU time while there is not enough for everybody: a sandbox with 200 gets twice what one with 100 gets.',
    example: '200',
    nothing: usualWeight,
    sample: { cpuWeight: 1 },
    controller: 'cpu',
    // v1 counts in shares, of which everybody has 1024.
    write: (weight, { version }) =>
      version === 2
        ? [{ file: 'cpu.weight', value: String(weight) }]
        : [{ file: 'cpu.shares', value: String(Math.max(2, Math.round((weight * 1024) / usualWeight))) }],
  }),
  cpuset: limit({
    field: 'cpuset',
    accepts: { kind: 'cpuList' },
    defaultText: 'none',
    values: 'CPUs such as 0-3,8, or none',
    applies: 'now',
    doc: `The CPUs that a sandbox may use; none: all. ${rarely}`,
    example: '0-3',
    nothing: null,
    sample: { cpuset: '0' },
    controller: 'cpuset',
    // Which nodes of memory, the parent says. None cannot be written again once there are processes (ENOSPC).
    write: (cpuset, { allCpus }, all) =>
      isPinned(all) ? [] : [{ file: 'cpuset.cpus', value: cpuset ?? allCpus }],
  }),
  cpu_pin: limit({
    field: 'cpuPin',
    accepts: { kind: 'words', words: ['no', 'yes'] },
    defaultText: 'no',
    values: 'no, yes',
    applies: 'now',
    doc: `Whether a sandbox with a whole number of "cpus" has as many CPUs to itself and its threads, of those in "cpuset": the ones that the fewest other sandboxes are bound to. Programs that count CPUs (nproc, make, Java) then count what the sandbox may use. ${rarely}`,
    example: 'yes',
    nothing: 'no',
    sample: { cpus: 1, cpuPin: 'yes' },
    controller: 'cpuset',
    write: (_, { pin }, all) =>
      isPinned(all) ? [{ file: 'cpuset.cpus', value: pin(all.cpus, all.cpuset) }] : [],
    isSet: (_, all) => isPinned(all),
  }),
  io_read: diskLimit(
    'ioReadBytes',
    rate,
    {
      values: rateValues,
      doc: `Bytes a second that a sandbox may read ${onDisk}. What is in the page cache is free. ${rarely}`,
      example: '100M',
    },
    ['rbps', 'read_bps'],
  ),
  io_write: diskLimit(
    'ioWriteBytes',
    rate,
    {
      values: rateValues,
      doc: `Bytes a second that a sandbox may write ${onDisk}. What is written into the page cache counts when it goes to the disk, on file systems that know whose it is (ext4, btrfs, xfs of recent kernels); with cgroups of version 1 it does not count at all, only what is written past the cache. ${rarely}`,
      example: '50M',
    },
    ['wbps', 'write_bps'],
  ),
  io_read_ops: diskLimit(
    'ioReadOps',
    operations,
    { values: operationValues, doc: `As io_read, in operations a second. ${rarely}`, example: '2000' },
    ['riops', 'read_iops'],
  ),
  io_write_ops: diskLimit(
    'ioWriteOps',
    operations,
    { values: operationValues, doc: `As io_write, in operations a second. ${rarely}`, example: '1000' },
    ['wiops', 'write_iops'],
  ),
} as const;

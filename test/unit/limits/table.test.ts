// Each limit's entry: what it tells the kernel in either version, and that nothing else in the sources has to know it.

import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CgroupFacts, CgroupVersion } from '../../../src/limits/entry.ts';
import {
  allLimitFiles,
  diskLifts,
  type LimitKey,
  limitEntries,
  limitFiles,
  limitsAnything,
  limitsFrom,
  limitsOf,
  sampleOf,
  shownLimits,
  unlimited,
} from '../../../src/limits/limits.ts';
import { builtinDefaults, checkPolicyValue, describePolicyKey } from '../../../src/policy/schema.ts';

const factsOf = (version: CgroupVersion): CgroupFacts => ({
  version,
  countsSwap: true,
  countsSockets: version === 1,
  disk: '8:0',
  allCpus: '0-3',
  pin: (count, among) => `${count} of ${among ?? 'all'}`,
});
const linesOf = (key: LimitKey, version: CgroupVersion): string[] =>
  limitFiles(sampleOf(key), factsOf(version))
    .filter((file) => file.key === key)
    .map(({ controller, file, value }) => `${controller}: ${file} ${value}`);

/** What the sample of each limit tells version 1, and version 2. */
const told: Readonly<Record<LimitKey, readonly [readonly string[], readonly string[]]>> = {
  memory: [
    ['memory: memory.limit_in_bytes 1', 'memory: memory.kmem.tcp.limit_in_bytes 0'],
    ['memory: memory.max 1'],
  ],
  swap: [['memory: memory.memsw.limit_in_bytes 1'], ['memory: memory.swap.max 0']],
  memory_high: [[], ['memory: memory.high 1']],
  oom_kills: [[], ['memory: memory.oom.group 1']],
  cpus: [['cpu: cpu.cfs_period_us 100000', 'cpu: cpu.cfs_quota_us 100000'], ['cpu: cpu.max 100000 100000']],
  pids: [['pids: pids.max 3'], ['pids: pids.max 3']],
  cpu_weight: [['cpu: cpu.shares 10'], ['cpu: cpu.weight 1']],
  cpuset: [['cpuset: cpuset.cpus 0'], ['cpuset: cpuset.cpus 0']],
  cpu_pin: [['cpuset: cpuset.cpus 1 of all'], ['cpuset: cpuset.cpus 1 of all']],
  io_read: [['io: blkio.throttle.read_bps_device 8:0 1'], ['io: io.max 8:0 rbps=1']],
  io_write: [['io: blkio.throttle.write_bps_device 8:0 1'], ['io: io.max 8:0 wbps=1']],
  io_read_ops: [['io: blkio.throttle.read_iops_device 8:0 1'], ['io: io.max 8:0 riops=1']],
  io_write_ops: [['io: blkio.throttle.write_iops_device 8:0 1'], ['io: io.max 8:0 wiops=1']],
};

describe.each(limitEntries)('%s', (key, entry) => {
  test('says what it is to the kernel, in either version', () => {
    expect([linesOf(key, 1), linesOf(key, 2)]).toEqual(told[key]);
  });

  test('is said to be none where it is taken away', () => {
    for (const version of [1, 2] as const) {
      // Who is bound to no CPUs of their own has those of cpuset.
      const teller = key === 'cpu_pin' ? 'cpuset' : key;
      const files = allLimitFiles(unlimited, factsOf(version)).filter((file) => file.key === teller);
      const set = limitFiles(sampleOf(key), factsOf(version)).filter((file) => file.key === key);
      expect(files.map(({ file }) => file)).toEqual(set.map(({ file }) => file));
    }
  });

  test('is a key of the policy, whose default and example are accepted', () => {
    expect(describePolicyKey(key)).toMatchObject({ doc: entry.doc, applies: entry.applies });
    expect(checkPolicyValue(key, entry.example)).toMatchObject({ ok: true });
    const { value } = checkPolicyValue(key, entry.defaultText) as { value: unknown };
    expect(builtinDefaults()[key]).toEqual(value);
  });

  test('limits something, unless it is none', () => {
    expect(limitsAnything(key, sampleOf(key)[entry.field])).toBe(true);
    for (const value of [undefined, null, entry.nothing]) expect(limitsAnything(key, value)).toBe(false);
  });
});

test('no limit tells a fresh cgroup nothing', () => {
  for (const version of [1, 2] as const) expect(limitFiles(unlimited, factsOf(version))).toEqual([]);
});

test('every field has one limit', () => {
  const fields = limitEntries.map(([, { field }]) => field);
  expect(new Set(fields).size).toBe(fields.length);
  expect(Object.keys(unlimited)).toEqual(fields);
  expect(limitsOf({ ...unlimited, other: 1 } as never)).toEqual(unlimited);
  expect(limitsFrom(() => null)).toEqual(unlimited);
  expect(
    limitsFrom((key) => sampleOf(key)[limitEntries.find(([one]) => one === key)?.[1].field ?? 'cpus']),
  ).toEqual(
    Object.assign({}, ...limitEntries.map(([key, { field }]) => ({ [field]: sampleOf(key)[field] }))),
  );
});

test('ps and stats show three of them', () => {
  const limits = { ...unlimited, memoryLimitBytes: 4096, cpus: 2, pids: 20 };
  expect(shownLimits(limits)).toEqual({ memoryLimitBytes: 4096, cpus: 2, pidsLimit: 20 });
});

test('those on disks are lifted file by file', () => {
  expect(diskLifts(2)).toEqual([
    { controller: 'io', file: 'io.max', value: 'rbps=max wbps=max riops=max wiops=max' },
  ]);
  expect(diskLifts(1).map(({ file, value }) => `${file} ${value}`)).toEqual([
    'blkio.throttle.read_bps_device 0',
    'blkio.throttle.write_bps_device 0',
    'blkio.throttle.read_iops_device 0',
    'blkio.throttle.write_iops_device 0',
  ]);
});

test('nothing else names the files that are written', () => {
  const root = path.resolve(import.meta.dirname, '../../..');
  const names = ([1, 2] as const).flatMap((version) => allLimitFiles(unlimited, factsOf(version)));
  const files = [...new Set(names.map(({ file }) => file))];
  const sources = globSync(['src/**/*.ts', 'native/{common,init,supervisor}/**/*.c'], { cwd: root });
  const found = sources.flatMap((source) => {
    const strings = readFileSync(path.join(root, source), 'utf8').split(/['"`/]/);
    return files.filter((file) => strings.includes(file)).map((file) => `${source}: ${file}`);
  });
  expect(found.filter((line) => !line.startsWith('src/limits/')).sort()).toEqual([
    // What is in force, is read there.
    'native/supervisor/sysinfo/answer.c: memory.limit_in_bytes',
    'native/supervisor/sysinfo/answer.c: memory.max',
    'native/supervisor/sysinfo/answer.c: memory.memsw.limit_in_bytes',
    'native/supervisor/sysinfo/answer.c: memory.swap.max',
    // What a kernel has is seen by these, and a fresh cpuset of version 1 is empty.
    'src/isolation/cgroup/hierarchies.ts: cpuset.cpus',
    'src/isolation/cgroup/hierarchies.ts: memory.kmem.tcp.limit_in_bytes',
    'src/isolation/cgroup/hierarchies.ts: memory.memsw.limit_in_bytes',
    'src/isolation/cgroup/hierarchies.ts: memory.swap.max',
    'src/isolation/cgroup/pinning.ts: cpuset.cpus',
  ]);
});

// The parts of CgroupHost that need no kernel: real folders stand where the hierarchies would be mounted.

import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cgroupMounts } from '../../../src/isolation/cgroup/hierarchies.ts';
import { CgroupHost, cgroupName } from '../../../src/isolation/cgroup/host.ts';
import { type Limits, limitFiles, unheld, unlimited } from '../../../src/limits/limits.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const none = unlimited;
const all: Limits = {
  ...unlimited,
  memoryLimitBytes: 1024 ** 3,
  swapBytes: 0,
  cpus: 1.5,
  pids: 100,
  cpuWeight: 200,
};

async function fill(file: string, text = ''): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
}

/** A mountinfo with v1 hierarchies of these controllers below our folder. */
async function v1(...hierarchies: string[]): Promise<string> {
  for (const name of hierarchies) await mkdir(path.join(folder, name), { recursive: true });
  return hierarchies
    .map(
      (name, index) => `${30 + index} 25 0:${30 + index} / ${folder}/${name} rw - cgroup cgroup rw,${name}\n`,
    )
    .join('');
}

async function v2(controllers: string): Promise<string> {
  for (const level of ['', 'dockersh']) {
    await fill(path.join(folder, level, 'cgroup.controllers'), controllers);
    await fill(path.join(folder, level, 'cgroup.subtree_control'));
    await fill(path.join(folder, level, 'cgroup.procs'));
  }
  return `30 25 0:30 / ${folder} rw - cgroup2 cgroup2 rw,nsdelegate\n`;
}

describe('mountinfo', () => {
  test('hybrid, with other mounts and optional fields', () => {
    const text = [
      '22 1 0:20 / /sys/fs/cgroup rw,nosuid shared:5 master:1 - tmpfs tmpfs rw,mode=755',
      '23 22 0:21 / /sys/fs/cgroup/unified rw shared:6 - cgroup2 cgroup2 rw',
      '24 22 0:22 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd',
      '25 22 0:23 / /sys/fs/cgroup/cpu,cpuacct rw shared:7 - cgroup cgroup rw,cpu,cpuacct',
      '26 1 8:1 / / rw - ext4 /dev/sda1 rw',
      '',
    ].join('\n');
    expect(cgroupMounts(text)).toEqual({
      v1: [
        { path: '/sys/fs/cgroup/systemd', options: new Set(['rw', 'name=systemd']) },
        { path: '/sys/fs/cgroup/cpu,cpuacct', options: new Set(['rw', 'cpu', 'cpuacct']) },
      ],
      v2: '/sys/fs/cgroup/unified',
    });
  });

  test('names with blanks in them', () => {
    const line = '30 25 0:30 / /srv/c\\040groups\\134 rw - cgroup2 cgroup2 rw\n';
    expect(cgroupMounts(line).v2).toBe('/srv/c groups\\');
  });

  test('a hierarchy that is mounted twice is one hierarchy', () => {
    const line = (place: string): string => `30 25 0:30 / ${place} rw - cgroup cgroup rw,memory\n`;
    expect(cgroupMounts(line('/one') + line('/two')).v1.map((mount) => mount.path)).toEqual(['/one']);
  });

  test('of no use', () => {
    expect(cgroupMounts('')).toEqual({ v1: [], v2: undefined });
    expect(cgroupMounts('x\n - cgroup\n1 2 3 4\n')).toEqual({ v1: [], v2: undefined });
  });
});

describe('version 1', () => {
  test('makes its folder in every hierarchy that limits or pauses need, and in no other', async () => {
    const host = await CgroupHost.open(
      'dockersh',
      await v1('freezer', 'memory', 'blkio', 'cpu,cpuacct', 'pids'),
    );
    expect([host.mode, host.version]).toEqual(['v1', 1]);
    expect(host.parents).toEqual(
      ['memory', 'cpu,cpuacct', 'pids', 'freezer'].map((name) => `${folder}/${name}/dockersh`),
    );
    for (const parent of host.parents) expect((await stat(parent)).isDirectory()).toBe(true);
    expect(await readdir(path.join(folder, 'blkio'))).toEqual([]);
  });

  test('writes each limit to its own hierarchy', async () => {
    const host = await CgroupHost.open('dockersh', await v1('memory', 'cpu', 'pids'));
    expect(host.writesFor(none)).toEqual([]);
    expect(host.writesFor(all)).toEqual([
      { hierarchy: 0, file: 'memory.limit_in_bytes', value: '1073741824' },
      { hierarchy: 1, file: 'cpu.cfs_period_us', value: '100000' },
      { hierarchy: 1, file: 'cpu.cfs_quota_us', value: '150000' },
      { hierarchy: 2, file: 'pids.max', value: '102' }, // with our own two
      { hierarchy: 1, file: 'cpu.shares', value: '2048' },
    ]);
  });

  test('swap is limited where the kernel counts it, after memory, which may not be the larger', async () => {
    const mountinfo = await v1('memory');
    await fill(path.join(folder, 'memory/dockersh/memory.memsw.limit_in_bytes'));
    const host = await CgroupHost.open('dockersh', mountinfo);
    const sumOf = (limits: Partial<Limits>) =>
      host.writesFor({ ...none, ...limits }).map(({ file, value }) => [file, value]);
    const memory = ['memory.limit_in_bytes', '4096'];
    const sum = (value: string) => ['memory.memsw.limit_in_bytes', value];
    expect(sumOf({ memoryLimitBytes: 4096, swapBytes: 0 })).toEqual([memory, sum('4096')]);
    expect(sumOf({ memoryLimitBytes: 4096, swapBytes: 8192 })).toEqual([memory, sum('12288')]);
    expect(sumOf({ memoryLimitBytes: 4096, swapBytes: null })).toEqual([memory, sum('-1')]);
    expect(sumOf({ memoryLimitBytes: null, swapBytes: 8192 })).toEqual([]);
  });

  test("what is queued in sockets is limited where memory's limit does not count it", async () => {
    const mountinfo = await v1('memory');
    await fill(path.join(folder, 'memory/dockersh/memory.kmem.tcp.limit_in_bytes'));
    const host = await CgroupHost.open('dockersh', mountinfo);
    expect(host.writesFor(none)).toEqual([]);
    expect(host.writesFor({ ...none, memoryLimitBytes: 2 ** 30 })).toEqual([
      { hierarchy: 0, file: 'memory.limit_in_bytes', value: String(2 ** 30) },
      { hierarchy: 0, file: 'memory.kmem.tcp.limit_in_bytes', value: String(2 ** 28) },
    ]);
  });

  test('a freezer of version 1 alone does not make a host one of version 1', async () => {
    const unified = await v2('memory cpu pids');
    const freezer = `41 25 0:41 / ${folder}/freezer rw - cgroup cgroup rw,freezer\n`;
    expect((await CgroupHost.open('dockersh', unified + freezer)).mode).toBe('v2');
  });

  test('is hybrid where version 2 is mounted beside it', async () => {
    const unified = '40 25 0:40 / /nowhere rw - cgroup2 cgroup2 rw\n';
    const host = await CgroupHost.open('dockersh', (await v1('memory')) + unified);
    expect([host.mode, host.version]).toEqual(['hybrid', 1]);
  });
});

describe('version 2', () => {
  test('turns the controllers on, in the root and in its own folder', async () => {
    const mountinfo = await v2('cpuset cpu io memory pids\n');
    await fill(path.join(folder, 'dockersh/supervisors/memory.swap.max'));
    await fill(path.join(folder, 'dockersh/supervisors/cpuset.cpus.effective'), '0-3\n');
    const host = await CgroupHost.open('dockersh', mountinfo);
    expect([host.mode, host.version, host.parents]).toEqual(['v2', 2, [`${folder}/dockersh`]]);
    for (const level of ['', 'dockersh'])
      expect(await readFile(path.join(folder, level, 'cgroup.subtree_control'), 'utf8')).toMatch(/^\+/);
    expect(host.writesFor(all)).toEqual([
      { hierarchy: 0, file: 'memory.max', value: '1073741824' },
      { hierarchy: 0, file: 'memory.swap.max', value: '0' },
      { hierarchy: 0, file: 'cpu.max', value: '150000 100000' },
      { hierarchy: 0, file: 'pids.max', value: '102' },
      { hierarchy: 0, file: 'cpu.weight', value: '200' },
    ]);
  });

  test('a small share of a CPU is never less than the kernel takes', async () => {
    const host = await CgroupHost.open('dockersh', await v2('cpu'));
    expect(host.writesFor({ ...none, cpus: 0.001 })[0]?.value).toBe('1000 100000');
  });
});

describe("below a service manager's cgroup", () => {
  test('what is enabled already is not written again', async () => {
    const info = await v2('memory pids');
    const nested = path.join(folder, 'a.slice/b.service');
    for (const level of [folder, path.join(folder, 'a.slice')]) {
      await fill(path.join(level, 'cgroup.controllers'), 'memory pids');
      await fill(path.join(level, 'cgroup.subtree_control'), 'memory pids\n');
    }
    await fill(path.join(nested, 'cgroup.controllers'), 'memory pids');
    await fill(path.join(nested, 'cgroup.subtree_control'));
    await fill(path.join(nested, 'cgroup.procs'), '123\n');
    const host = await CgroupHost.open('a.slice/b.service', info);
    // What holds the cgroup for the service manager must not be in it any more when controllers are enabled.
    expect(await readFile(path.join(nested, 'supervisors/cgroup.procs'), 'utf8')).toBe('123');
    expect(host.parents).toEqual([nested]);
    const above = await readFile(path.join(folder, 'a.slice/cgroup.subtree_control'), 'utf8');
    expect(above).toBe('memory pids\n');
    expect(await readFile(path.join(nested, 'cgroup.subtree_control'), 'utf8')).toMatch(/^\+/);
    expect(host.writesFor({ ...none, pids: 5 })).toEqual([{ hierarchy: 0, file: 'pids.max', value: '7' }]);
  });

  test('supervisors have a folder of their own, which is no left-over', async () => {
    const host = await CgroupHost.open('dockersh', await v2('memory'));
    host.placeLauncher(4711);
    const procs = path.join(folder, 'dockersh/supervisors/cgroup.procs');
    expect(await readFile(procs, 'utf8')).toBe('4711');
    await rm(procs);
    await host.removeStale(new Set());
    expect(await readdir(path.join(folder, 'dockersh'))).toContain('supervisors');
  });
});

describe("a sandbox's cgroup", () => {
  test.each([
    ['alice', 'u1000-alice'],
    ['jdoe@lab.example', 'u1000-jdoe@lab_example'],
    ['LAB\\jdoe', 'u1000-LAB_jdoe'],
    ['../../etc', 'u1000-______etc'],
    ['a/b\n\x1b[2J', 'u1000-a_b___2J'],
    ['x'.repeat(200), `u1000-${'x'.repeat(32)}`],
    ['', 'u1000-'],
  ])('of %j is %s', (user, name) => {
    expect(cgroupName(1000, user)).toBe(name);
    // native/supervisor/cgroup/cgroup.h has room for 63 bytes.
    expect(cgroupName(4_294_967_295, user).length).toBeLessThan(64);
  });
});

describe('other limits for a sandbox that runs', () => {
  const read = async (file: string): Promise<string> => await readFile(path.join(folder, file), 'utf8');

  test('are written, and so is that there are none', async () => {
    await fill(path.join(folder, 'dockersh/supervisors/cpuset.cpus.effective'), '0-3\n');
    const host = await CgroupHost.open('dockersh', await v2('memory cpu pids cpuset'));
    await fill(path.join(folder, 'dockersh/u1/cgroup.procs'));
    await host.apply('u1', { ...all, memoryHighBytes: 4096, oomKills: 'sandbox' });
    expect(await read('dockersh/u1/memory.high')).toBe('4096');
    expect(await read('dockersh/u1/memory.oom.group')).toBe('1');
    expect(await read('dockersh/u1/memory.max')).toBe('1073741824');
    expect(await read('dockersh/u1/pids.max')).toBe('102');
    await host.apply('u1', none);
    const texts = { 'memory.max': 'max', 'memory.high': 'max', 'memory.oom.group': '0' };
    const others = { 'cpu.max': 'max 100000', 'pids.max': 'max', 'cpu.weight': '100', 'cpuset.cpus': '0-3' };
    for (const [file, text] of Object.entries({ ...texts, ...others }))
      expect(await read(`dockersh/u1/${file}`), file).toBe(text);
    // Not where this kernel has none.
    expect(await readdir(path.join(folder, 'dockersh/u1'))).not.toContain('memory.swap.max');
  });

  test('are written alone where it is certain what is in force', async () => {
    const host = await CgroupHost.open('dockersh', await v2('memory cpu pids'));
    await fill(path.join(folder, 'dockersh/u1/cgroup.procs'));
    await host.apply('u1', { ...all, pids: 7 }, all);
    expect((await readdir(path.join(folder, 'dockersh/u1'))).sort()).toEqual(['cgroup.procs', 'pids.max']);
    await host.apply('u1', all);
    expect(await readdir(path.join(folder, 'dockersh/u1'))).toContain('memory.max');
  });

  test('that the kernel refuses are an error', async () => {
    const host = await CgroupHost.open('dockersh', await v1('memory'));
    await expect(host.apply('nobody', all)).rejects.toMatchObject({ code: 'E_LIMIT_REFUSED' });
  });
});

describe('a limit that can not be enforced is refused by name', () => {
  test.each([
    ['memory', { ...none, memoryLimitBytes: 1 }],
    ['cpu', { ...none, cpus: 1 }],
    ['pids', { ...none, pids: 1 }],
  ])('%s', async (controller, limits) => {
    const others = ['memory', 'cpu', 'pids'].filter((name) => name !== controller);
    for (const host of [
      await CgroupHost.open('dockersh', await v1(...others)),
      await CgroupHost.open('dockersh', await v2(`${others.join(' ')}\n`)),
    ]) {
      expect(() => host.writesFor(limits)).toThrow(
        expect.objectContaining({ code: 'E_LIMIT_REFUSED', message: expect.stringContaining(controller) }),
      );
      expect(host.writesFor(none)).toEqual([]);
      expect([...host.unenforced(limits).values()]).toEqual([
        expect.stringContaining(`no ${controller} controller`),
      ]);
      expect(host.unenforced(none).size).toBe(0);
      // Where the policy is content with what there is, the others still hold.
      const rest = host.writesFor(all, false).map(({ file }) => file);
      expect(rest.length).toBeGreaterThan(0);
      expect(rest.some((file) => file.startsWith(controller))).toBe(false);
    }
  });

  test('a controller that cannot be enabled takes only its own limits away', async () => {
    const mountinfo = await v2('memory pids io cpuset cpu');
    await fill(path.join(folder, 'dockersh/cgroup.subtree_control'), 'memory pids');
    await fill(path.join(folder, 'dockersh/cgroup.controllers'), 'memory pids io');
    const host = await CgroupHost.open('dockersh', mountinfo);
    expect(host.writesFor({ ...none, memoryLimitBytes: 4096, pids: 20 }).map(({ file }) => file)).toEqual([
      'memory.max',
      'pids.max',
    ]);
    expect([...host.unenforced({ ...none, cpus: 1, cpuset: '0', ioReadBytes: 1 })]).toEqual([
      ['cpus', expect.stringMatching(/dockersh\/cgroup.controllers does not list cpu/)],
      ['cpuset', expect.stringMatching(/cgroup.controllers does not list cpuset/)],
      ['io_read', expect.stringMatching(/on no single disk/)],
    ]);
  });

  test('nor is one enabled beside processes, which would make it a folder of threads', async () => {
    const mountinfo = await v2('memory pids');
    await fill(path.join(folder, 'cgroup.type'), 'domain\n');
    await fill(path.join(folder, 'cgroup.procs'), '123\n');
    const host = await CgroupHost.open('dockersh', mountinfo);
    expect([...host.unenforced({ ...none, pids: 20 }).values()]).toEqual([
      expect.stringContaining(`${folder} holds processes itself`),
    ]);
    expect(await readFile(path.join(folder, 'cgroup.subtree_control'), 'utf8')).toBe('');
  });

  test('swap that is not counted matters where there is some, and memory is limited', () => {
    const facts = {
      version: 2,
      countsSwap: false,
      countsSockets: false,
      disk: undefined,
      allCpus: '',
      pin: () => '',
    } as const;
    const keys = (limits: Partial<Limits>, swaps: boolean) =>
      unheld({ ...none, ...limits }, facts, () => swaps).map(([key]) => key);
    expect(keys({ memoryLimitBytes: 1, swapBytes: 0 }, true)).toEqual(['swap']);
    expect(keys({ memoryLimitBytes: 1, swapBytes: 0 }, false)).toEqual([]);
    expect(keys({ memoryLimitBytes: 1 }, true)).toEqual([]);
    expect(keys({ swapBytes: 0 }, true)).toEqual([]);
    expect(limitFiles({ ...none, memoryLimitBytes: 1, swapBytes: 0 }, facts).map(({ file }) => file)).toEqual(
      ['memory.max'],
    );
  });

  test('what only version 2 has, on version 1', async () => {
    const host = await CgroupHost.open('dockersh', await v1('memory', 'cpu', 'pids'));
    for (const limits of [{ memoryHighBytes: 4096 }, { oomKills: 'sandbox' as const }]) {
      expect(() => host.writesFor({ ...none, ...limits })).toThrow(
        expect.objectContaining({ code: 'E_LIMIT_REFUSED', message: expect.stringContaining('version 2') }),
      );
      expect(host.writesFor({ ...none, ...limits }, false)).toEqual([]);
    }
  });

  test('no hierarchy at all', async () => {
    await expect(CgroupHost.open('dockersh', '')).rejects.toMatchObject({ code: 'E_KERNEL' });
  });
});

describe('what a sandbox uses', () => {
  test('is read from its own cgroup, without our own processes', async () => {
    const host = await CgroupHost.open('dockersh', await v1('memory', 'pids'));
    await fill(path.join(folder, 'memory/dockersh/1000/memory.usage_in_bytes'), '123456\n');
    await fill(path.join(folder, 'pids/dockersh/1000/pids.current'), '7\n');
    const counted = { memoryBytes: null, swapBytes: null, oomKilled: null, pids: null, cpuUsec: null };
    const nothing = { ...counted, pressure: null };
    expect(await host.usage('1000')).toEqual({ ...nothing, memoryBytes: 123_456, pids: 5 });
    await fill(path.join(folder, 'pids/dockersh/1000/pids.current'), '1\n');
    expect(await host.usage('1000')).toMatchObject({ pids: 0 });
    expect(await host.usage('1001')).toEqual(nothing);
  });

  test('of version 2 has CPU time and pressure as well', async () => {
    const host = await CgroupHost.open('dockersh', await v2('memory cpu pids'));
    const write = async (file: string, text: string): Promise<void> =>
      await fill(path.join(folder, 'dockersh/1000', file), text);
    await write('cpu.stat', 'usage_usec 4711\nuser_usec 4000\n');
    for (const [index, what] of ['cpu', 'memory', 'io'].entries())
      await write(
        `${what}.pressure`,
        `some avg10=${index}.50 avg60=9.00 avg300=9.00 total=1\nfull avg10=7.00\n`,
      );
    const pressure = { cpu: 0.5, memory: 1.5, io: 2.5 };
    await write('memory.swap.current', '8192\n');
    await write('memory.events', 'low 0\noom 7\noom_kill 3\n');
    const counted = { memoryBytes: null, swapBytes: 8192, oomKilled: 3, pids: null, cpuUsec: 4711 };
    expect(await host.usage('1000')).toEqual({ ...counted, pressure });
    // CPU time and pressure need no controller.
    const bare = await CgroupHost.open('dockersh', await v2(''));
    expect(await bare.usage('1000')).toMatchObject({ cpuUsec: 4711, pressure });
  });

  test('of version 1 has CPU time where it is counted with cpu', async () => {
    const host = await CgroupHost.open('dockersh', await v1('cpu,cpuacct'));
    await fill(path.join(folder, 'cpu,cpuacct/dockersh/1000/cpuacct.usage'), '5000000\n');
    expect(await host.usage('1000')).toMatchObject({ cpuUsec: 5000, pressure: null });
  });
});

test('empty cgroups that nobody has any more are removed, others are not', async () => {
  const host = await CgroupHost.open('dockersh', await v1('memory'));
  const parent = path.join(folder, 'memory/dockersh');
  for (const name of ['1000', '1001', 'ready-5']) await mkdir(path.join(parent, name));
  await fill(path.join(parent, '1002/in-use'));
  await fill(path.join(parent, 'cgroup.procs'));
  await host.removeStale(new Set(['1000']));
  expect((await readdir(parent)).sort()).toEqual(['1000', '1002', 'cgroup.procs']);
});

// sysinfo(2) inside: the sandbox's numbers, whoever calls and how often, and the host's where nobody can answer.

import { existsSync, readFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasErrno } from '../../../src/lib/errors.ts';
import { lacks, unlimited } from '../../fixtures/machine.ts';
import { checkout } from '../../fixtures/paths.ts';
import { runOk, waitUntil } from '../../fixtures/process.ts';
import { VerbsHost } from '../verbs/verbs-host.ts';

const limitKb = 64 * 1024;
const defaults = { image: 'lab/base:1', linger: '1h', stop_grace: '100ms', memory: '64M', swap: '0' };

describe.skipIf(lacks('busybox', 'gcc') || unlimited)('sysinfo(2)', () => {
  let verbs: VerbsHost;
  const call = async (): Promise<number[]> => (await verbs.inside('/bin/calls')).split(' ').map(Number);
  const answering = (): number[] =>
    verbs.host
      .processes()
      .map(({ pid }) => pid)
      .filter((pid) => {
        const file = `/proc/${pid}/comm`;
        return existsSync(file) && readFileSync(file, 'utf8') === 'dockersh-sysinf\n';
      });

  const end = (pid: number): void => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!hasErrno(error, 'ESRCH')) throw error;
    }
  };
  /** Processor time of each process of the flood. */
  const used = (): string[] =>
    verbs.host
      .processes()
      .map(({ pid }) => (existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : ''))
      .filter((stat) => stat.includes('(calls)'))
      .map((stat) => stat.split(' ').slice(0, 15).join(' '));

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy: { defaults }, outsideTmp: true });
    const root = await verbs.rootfs('base');
    const program = join(verbs.host.folder, 'calls');
    await runOk('gcc', ['-O1', '-static', '-o', program, join(checkout, 'test/fixtures/kernel/sysinfo.c')]);
    await mkdir(join(root, 'bin'), { recursive: true });
    await copyFile(program, join(root, 'bin/calls'));
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', root);
  });
  afterEach(async () => {
    await verbs.host.ctl('stop', verbs.name);
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  it('has limit, use, processes and time of the sandbox', async () => {
    const [total = 0, free = 0, processes = 0, seconds = 0] = await call();
    expect(total).toBe(limitKb);
    expect(free).toBeGreaterThan(limitKb / 2);
    expect(free).toBeLessThan(limitKb);
    expect(processes).toBeLessThan(10);
    expect(seconds).toBeLessThan(30);
    expect(await verbs.inside('busybox free -k')).toMatch(/^Mem: +65536/m);
    expect(await verbs.inside('busybox uptime')).toContain(' up 0 min');
  });

  it('has them as well in a session that begins with another spawner', async () => {
    await call();
    const spawner = verbs.host.processes().filter(({ pid }) => {
      const status = existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '';
      return /^Seccomp_filters:\t[1-9]/m.test(status) && /^NSpid:\t\d+$/m.test(status);
    });
    const answers = new Set(answering()); // whose death would have the kernel answer for a while
    for (const { pid } of spawner) if (!answers.has(pid)) end(pid);
    for (let times = 0; times < 3; times += 1) expect((await call())[0]).toBe(limitKb);
  });

  it('is what the host says with sysinfo = host, and with nesting', async () => {
    await verbs.host.setPolicy({ defaults: { ...defaults, sysinfo: 'host' } });
    expect((await call())[0]).not.toBe(limitKb);
    await verbs.host.setPolicy({ defaults: { ...defaults, nesting: 'yes' } });
    await verbs.host.ctlOk('stop', verbs.name);
    expect((await call())[0]).not.toBe(limitKb);
    await verbs.host.setPolicy({ defaults });
  });

  it('keeps nobody from logging in, or from stopping, however many call', async () => {
    const flood = verbs.exec(
      '/bin/sh',
      '-c',
      'for i in 1 2 3 4 5 6 7 8; do /bin/calls flood 100000000 & done; wait',
    );
    await waitUntil(() => answering().length === 1, 'somebody who answers');
    for (let times = 0; times < 5; times += 1) expect((await call())[0]).toBe(limitKb);
    await verbs.host.ctlOk('stop', verbs.name);
    await flood;
    expect(answering()).toEqual([]);
  });

  it('is answered when who answers is killed at any moment', async () => {
    const flood = verbs.exec('/bin/sh', '-c', 'for i in 1 2 3 4; do /bin/calls flood 100000000 & done; wait');
    for (let times = 0; times < 2; times += 1) {
      await waitUntil(() => answering().length > 0 && used().length === 4, 'somebody who answers');
      for (const pid of answering()) end(pid);
      await call();
    }
    const before = used();
    await waitUntil(() => used().every((one) => !before.includes(one)), 'all of them to go on');
    await verbs.host.ctlOk('stop', verbs.name);
    await flood;
  });

  it.skipIf(lacks('fuse2fs') || !existsSync('/dev/fuse'))(
    'is what the host says while an answer hangs in somebody’s memory',
    async () => {
      const disk = join(verbs.host.folder, 'disk');
      const point = join(verbs.host.folder, 'hangs');
      await writeFile(disk, Buffer.alloc(4 * 1024 * 1024));
      await runOk('mke2fs', ['-q', '-t', 'ext4', '-O', '^has_journal', disk]);
      await mkdir(point);
      await runOk('fuse2fs', ['-o', 'allow_other,fakeroot', disk, point]);
      const servers = (await runOk('pgrep', ['-f', `fuse2fs .*${point}`])).trim().split('\n').map(Number);
      try {
        await writeFile(join(point, 'page'), Buffer.alloc(4096), { mode: 0o666 });
        await chmod(join(point, 'page'), 0o666);
        // Supervisors that wait already have not seen it, where the machine's mounts are not shared.
        await verbs.host.ctlOk('stop', verbs.name).catch(() => undefined);
        await verbs.host.killDaemon('SIGTERM');
        await verbs.host.startDaemon();
        await verbs.host.setPolicy({ defaults: { ...defaults, mounts: `${point}:/hangs:rw` } });
        const stuck = verbs.exec('/bin/sh', '-c', '(busybox sleep 5; echo) | /bin/calls mapped /hangs/page');
        await waitUntil(() => used().length > 0, 'the mapping');
        for (const pid of servers) process.kill(pid, 'SIGSTOP');
        await waitUntil(async () => (await call())[0] !== limitKb, 'the host’s numbers', 30_000);
        await verbs.inside('true');
        for (const pid of servers) process.kill(pid, 'SIGCONT');
        await stuck;
        await waitUntil(async () => (await call())[0] === limitKb, 'its own numbers', 30_000);
      } finally {
        for (const pid of servers) process.kill(pid, 'SIGCONT');
        await verbs.host.ctl('stop', verbs.name);
        await runOk('umount', [point]);
        await verbs.host.setPolicy({ defaults });
      }
    },
  );
});

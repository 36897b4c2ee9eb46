// Parts of dockersh are killed or stand still, one at a time. Nobody but that sandbox's user may notice, and
// the user only once.

import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readyCount } from '../../src/isolation/supervisor/pool.ts';
import { Host } from '../fixtures/host.ts';
import { supervisorsOf } from '../fixtures/kernel/descriptors.ts';
import { cgroupsOf } from '../fixtures/leaks.ts';
import { control, lacks } from '../fixtures/machine.ts';
import { describeFinished, type Finished, Running, run, waitUntil } from '../fixtures/process.ts';
import { childrenOf, parentOf } from '../fixtures/supervisor.ts';
import { TestUser } from '../fixtures/users.ts';

describe.skipIf(control)('a part that is killed', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let user: TestUser;
  let other: TestUser;
  let third: TestUser;
  let fourth: TestUser;

  beforeAll(async () => {
    host = parts.use(
      await Host.start({ policy: { defaults: { image: 'host', linger: '30s', hangup_grace: '0s' } } }),
    );
    user = parts.use(await TestUser.create({ shell: host.client }));
    other = parts.use(await TestUser.create({ shell: host.client }));
    third = parts.use(await TestUser.create({ shell: host.client }));
    fourth = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(user.uid, other.uid, third.uid, fourth.uid);
  });

  afterAll(async () => {
    await parts.disposeAsync();
  });

  const login = async ({ uid, gid }: TestUser, command: string): Promise<Finished> =>
    await run(host.client, ['-c', command], { uid, gid });

  const initOf = async (of: TestUser): Promise<number> => {
    const sandbox = await host.sandboxOf(of);
    if (sandbox === undefined) throw new Error(`no sandbox of ${of.name}`);
    return sandbox.initPid;
  };

  const supervisorOf = async (of: TestUser): Promise<number> => parentOf(await initOf(of));

  const kill = (pid: number, signal: NodeJS.Signals): void => {
    process.kill(pid, signal);
  };

  it('supervisor: the next login gets a fresh sandbox', async () => {
    await login(user, 'true');
    await using session = new Running(host.client, ['-c', 'sleep 100'], { uid: user.uid, gid: user.gid });
    kill(await supervisorOf(user), 'SIGKILL');
    expect((await session.finished()).code).toBe(125);
    const again = await login(user, 'echo again');
    expect(again.stderr.toString()).toBe('');
    expect(again.stdout.toString()).toBe('again\n');
  });

  // As the kernel does where memory is short (oom_kills = sandbox).
  it.each([
    ['PID 1', (init: number) => [init]],
    ['everything', (init: number, children: number[]) => [...children, init]],
  ])('%s: who logs in while it ends waits for that', async (_what, chosen) => {
    for (let round = 0; round < 8; round += 1) {
      await login(user, 'true');
      const init = await initOf(user);
      // With much to clear away.
      const much =
        'for i in $(seq 150); do sleep 100 & done; head -c 2G /dev/zero | tail -c 50M & echo up; wait';
      await using session = new Running(host.client, ['-c', much], { uid: user.uid, gid: user.gid });
      await session.waitForOutput('up');
      const others = childrenOf(parentOf(init)).filter((pid) => pid !== init);
      for (const pid of chosen(init, others)) kill(pid, 'SIGKILL');
      await sleep(round);
      for (const result of await Promise.all([1, 2].map(() => login(user, 'exit 5'))))
        expect(result.code, describeFinished(result)).toBe(5);
      expect((await session.finished()).code).not.toBe(0);
    }
  });

  const nameOf = (pid: number): string => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();

  /** Supervisors that wait for a sandbox. */
  const waiting = (): number[] => {
    const sandboxes = new Set(
      host
        .processes()
        .filter(({ exe }) => exe === 'dockersh-init')
        .map(({ pid }) => parentOf(pid)),
    );
    return [...supervisorsOf(host).keys()].filter((pid) => !sandboxes.has(pid));
  };

  it('supervisors that wait for a sandbox: nobody notices', async () => {
    await waitUntil(() => waiting().length === readyCount, 'the pool to be full');
    const ready = waiting();
    for (const pid of ready) kill(pid, 'SIGKILL');
    const result = await login(other, 'echo served');
    expect(result.stderr.toString()).toBe('');
    expect(result.stdout.toString()).toBe('served\n');
    const theirs = new Set(ready.map((pid) => `ready-${pid}`)); // on version 1
    const left = (): string[] => cgroupsOf(host.cgroup).filter((folder) => theirs.has(basename(folder)));
    await waitUntil(() => left().length === 0, 'what they had to be cleared away', 5_000);
  });

  it.skipIf(lacks('strace'))(
    'supervisors that wait for a sandbox, when one of them is about to be asked: nobody notices',
    async () => {
      await waitUntil(() => waiting().length === readyCount, 'the pool to be full');
      // The last that the daemon does before it asks one is to write down what the sandbox will be; here it takes 2 s.
      const record = join(host.runFolder, `sandboxes/${fourth.uid}.json`);
      const slow = ['-e', 'trace=openat', '-e', 'inject=openat:delay_exit=2000000:when=1', '-P', record];
      await using tracer = new Running('strace', ['-f', ...slow, '-p', String(host.daemonPid)]);
      await waitUntil(() => tracer.stderr.toString().includes('attached'), 'the daemon to be traced');
      const served = login(fourth, 'echo served');
      await waitUntil(() => existsSync(record), 'a sandbox to be about to start');
      for (const pid of waiting()) kill(pid, 'SIGKILL');
      const result = await served;
      expect(result.stderr.toString()).toBe('');
      expect(result.stdout.toString()).toBe('served\n');
      tracer.kill('SIGTERM');
      await tracer.finished();
      expect(tracer.stderr.toString()).toMatch(/openat\(.*DELAYED/);
    },
  );

  it.skipIf(lacks('strace'))('a supervisor that builds: nobody notices', async () => {
    await host.ctlOk('stop', fourth.name);
    const launchers = childrenOf(host.daemonPid);
    // Each takes 1 s for the first thing that it mounts for its sandbox.
    const slow = ['-e', 'trace=mount', '-e', 'inject=mount:delay_enter=1000000:when=1'];
    const traced = waiting();
    const pids = [...launchers, ...traced].flatMap((pid) => ['-p', String(pid)]);
    await using tracer = new Running('strace', ['-f', ...slow, ...pids]);
    const attached = (): number => tracer.stderr.toString().split(' attached').length - 1;
    await waitUntil(() => attached() >= launchers.length + traced.length, 'them to be traced');
    const served = login(fourth, 'echo served');
    const builds = (pid: number): boolean =>
      childrenOf(pid).some((child) => nameOf(child) === 'dockersh-init');
    await waitUntil(() => traced.some(builds), 'one to build');
    for (const pid of traced.filter(builds)) kill(pid, 'SIGKILL');
    const result = await served;
    expect(result.stderr.toString()).toBe('');
    expect(result.stdout.toString()).toBe('served\n');
    tracer.kill('SIGTERM');
    await tracer.finished();
  });

  it('a supervisor that stands still holds up neither "ps" nor the next daemon', async () => {
    await login(third, 'true');
    const stopped = await supervisorOf(third);
    kill(stopped, 'SIGSTOP');
    try {
      await waitUntil(async () => (await host.ctl('ps')).code === 0, 'ps to answer', 10_000);
      await host.killDaemon('SIGKILL');
      await host.startDaemon();
      expect((await login(other, 'echo served')).stdout.toString()).toBe('served\n');
    } finally {
      kill(stopped, 'SIGCONT');
    }
  }, 90_000);

  it.skipIf(lacks('strace'))(
    'a sandbox that ends: what the daemon clears away is not the next one’s',
    async () => {
      await host.setPolicy({ defaults: { image: 'host', linger: '0', nesting: 'yes' } });
      await host.ctlOk('stop', fourth.name);
      const { uid, gid } = fourth;
      const stdio = ['pipe', 'pipe', 'inherit'] as const;
      await using first = new Running(host.client, ['-c', 'echo up; read line'], {
        uid,
        gid,
        stdio: [...stdio],
      });
      await first.waitForOutput('up');
      const isOwn = (folder: string): boolean => basename(folder).startsWith(`u${uid}-`);
      const isUnified = (folder: string): boolean => existsSync(join(folder, 'cgroup.controllers'));
      const [own = ''] = cgroupsOf(host.cgroup).filter((folder) => isOwn(folder) && isUnified(folder));
      const launchers = childrenOf(host.daemonPid);
      const supervisors = [...launchers, ...launchers.flatMap(childrenOf)];
      const traced = (calls: string, delay: string, pids: readonly number[]): Running =>
        new Running('strace', [
          ...['-f', '-e', `trace=${calls}`, '-e', `inject=${calls}:${delay}`, '-P', own, '-P', dirname(own)],
          ...pids.flatMap((pid) => ['-p', String(pid)]),
        ]);
      // µs: a supervisor has just made it, and the daemon is about to remove it.
      await using makers = traced('mkdir,mkdirat', 'delay_exit=300000', supervisors);
      await using remover = traced('rmdir', 'delay_enter=100000', [host.daemonPid]);
      const attachedTo = ({ stderr }: Running): number => stderr.toString().split(' attached').length - 1;
      await waitUntil(
        () => attachedTo(makers) >= supervisors.length && attachedTo(remover) > 0,
        'daemon and supervisors to be traced',
      );
      first.process.stdin?.end('\n');
      await first.finished();
      for (let round = 0; round < 3; round += 1) {
        const result = await login(fourth, 'exit 5');
        expect(result.code, describeFinished(result)).toBe(5);
      }
      const tracers = [makers, remover];
      for (const { process: tracer } of tracers) tracer.kill('SIGTERM');
      await Promise.all(tracers.map((tracer) => tracer.finished()));
      expect(makers.stderr.toString()).toMatch(/mkdir(at)?\(.*DELAYED/);
      expect(remover.stderr.toString()).toMatch(/rmdir\(.*DELAYED/);
    },
  );
});

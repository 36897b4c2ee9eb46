// Attacks with what our own processes keep open, and with what a user hands over whose closing never ends: files of a
// FUSE server that does not answer (attacks/fuse.c). Nobody but a process that may be lost waits for it, there are few
// of these, and the sandbox can be ended all the same.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host } from '../fixtures/host.ts';
import { cgroupsOf } from '../fixtures/leaks.ts';
import { control, unlimited } from '../fixtures/machine.ts';
import { checkout } from '../fixtures/paths.ts';
import { describeFinished, type Finished, Running, run, runOk, waitUntil } from '../fixtures/process.ts';
import { parentOf, supervisorOf } from '../fixtures/supervisor.ts';
import { TestUser } from '../fixtures/users.ts';

/** Numbers of enum fuse_opcode. */
const opcodes = { getattr: '3', write: '16', flush: '25' };
/** Processes of one user that may be lost to refused logins (native/supervisor/closing.h). */
const mostClosing = 8;
/** Of one user, with processes that hang (src/isolation/cgroup/host.ts). */
const mostLeft = 4;

const defaults = { image: 'host', linger: '1h', stop_grace: '0', hangup_grace: '0' };

describe.skipIf(control)('descriptors', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let attacker: TestUser;
  let victim: TestUser;

  beforeAll(async () => {
    // What is in the policy when the daemon starts says which controllers it takes.
    const groups = { 'no such group': { io_write: '1G' } };
    host = parts.use(await Host.start({ policy: unlimited ? { defaults } : { defaults, groups } }));
    attacker = parts.use(await TestUser.create({ shell: host.client }));
    victim = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(attacker.uid, victim.uid);
    for (const name of ['fuse', 'hostile']) {
      const source = join(checkout, `test/integration/attacks/${name}.c`);
      await runOk('gcc', ['-O1', '-o', join(host.folder, 'bin', name), source]);
    }
  });

  afterAll(async () => {
    await parts.disposeAsync();
  });

  const login = async ({ uid, gid }: TestUser, command: string): Promise<Finished> =>
    await run(host.client, ['-c', command], { uid, gid });

  const hostile = (...args: string[]): string[] => [
    join(host.folder, 'bin/hostile'),
    join(host.runFolder, 'login.sock'),
    ...args,
  ];

  /** A program of the attacker's whose descriptors 0 and 1 are a file whose server leaves some requests unanswered. */
  const holding = (opcode: string, program: readonly string[]): Running =>
    new Running(join(host.folder, 'bin/fuse'), [
      opcode,
      String(attacker.uid),
      String(attacker.gid),
      ...program,
    ]);

  const launcher = (): number =>
    Number(readFileSync(`/proc/${host.daemonPid}/task/${host.daemonPid}/children`, 'utf8'));

  /** Processes of ours that wait for the server, or for what waits for it: the launcher's children, and sessions'. */
  const stuck = (): string[] =>
    readdirSync('/proc')
      .map(statusOf)
      .filter((status) => status !== undefined)
      .filter(({ uid, parent }) => uid === attacker.uid || parent === launcher())
      .map(({ text }) => text)
      .filter((text) => hanging.test(text));

  const victimIsServed = async (): Promise<void> => {
    expect((await login(victim, 'echo served')).stdout.toString()).toBe('served\n');
  };

  const nothingIsLeft = async (): Promise<void> => {
    await host.ctlOk('stop', attacker.name);
    await waitUntil(
      () => host.processes().every(({ uid, exe }) => uid !== attacker.uid || !exe.startsWith('dockersh')),
      'the attacker’s processes to end',
    );
    await waitUntil(
      () => stuck().length === 0,
      'nothing to hang',
      30_000,
      () => stuck().join('\n'),
    );
  };

  it('the process in the sandbox that forks sessions keeps no file of the host’s', async () => {
    expect((await login(victim, 'true')).code).toBe(0);
    const { spawner } = supervisorOf((await host.sandboxOf(victim))?.initPid);
    const open = readdirSync(`/proc/${spawner}/fd`).map((fd) => readlinkSync(`/proc/${spawner}/fd/${fd}`));
    const known = /^(\/dev\/null|\/dev\/pts|\/|socket:.*)$/; // the last: the sandbox's own terminals, as it sees them
    expect(open.filter((target) => !known.test(target))).toEqual([]);
  });

  it('of refused logins hold up few processes, and are nobody’s in the end', async () => {
    await victimIsServed();
    await using attack = holding(opcodes.write, hostile('dirty', '40', '/mnt/file'));
    process.kill(launcher(), 'SIGSTOP'); // until nobody but the daemon has the files
    try {
      await waitUntil(() => attack.stderr.includes('handed over'), 'the attack');
      await sleep(500);
    } finally {
      process.kill(launcher(), 'SIGCONT');
    }
    await waitUntil(() => stuck().length > 0, 'something to hang');
    await sleep(1_000);
    expect(stuck().length).toBeLessThanOrEqual(mostClosing);
    await victimIsServed();
    await host.ctlOk('stop', victim.name);
    await victimIsServed(); // by a supervisor that is forked now
    attack.kill('SIGKILL');
    await nothingIsLeft();
  }, 120_000);

  it.each([
    ['never flushed', opcodes.flush, 'sleep 1000'],
    ['never looked at', opcodes.getattr, 'sleep 1000'],
  ])(
    'of a session, %s, hold up that session alone, and the sandbox ends',
    async (_what, opcode, command) => {
      await using attack = holding(opcode, [host.client, '-c', command]);
      await waitUntil(() => stuck().length > 0, 'something to hang');
      expect((await login(attacker, 'echo beside')).stdout.toString()).toBe('beside\n');
      const before = await host.sandboxOf(attacker);
      await using other = new Running(host.client, ['-c', 'echo up; exec sleep 4321'], attacker);
      await other.waitForOutput('up');
      await host.ctlOk('stop', attacker.name);
      expect((await other.finished()).code).toBe(125);
      const again = await login(attacker, 'echo fresh');
      expect(again.stdout.toString(), describeFinished(again)).toBe('fresh\n');
      expect((await host.sandboxOf(attacker))?.initPid).not.toBe(before?.initPid);
      await victimIsServed();
      attack.kill('SIGKILL');
      await nothingIsLeft();
    },
    120_000,
  );

  it.skipIf(unlimited)(
    'leave a sandbox behind that the limits of disks do not hold up',
    async () => {
      await host.setPolicy({ defaults, users: { [attacker.name]: { io_write_ops: 1000, io_read: '1M' } } });
      await using attack = holding(opcodes.flush, [host.client, '-c', 'sleep 1000']);
      await waitUntil(() => stuck().length > 0, 'something to hang');
      expect(diskLimits(host.cgroup, attacker.name).sort()).toEqual(['1000', '1048576']);
      await host.ctlOk('stop', attacker.name);
      expect(stuck().length).toBeGreaterThan(0);
      expect(diskLimits(host.cgroup, attacker.name)).toEqual([]);
      attack.kill('SIGKILL');
      await nothingIsLeft();
      await host.setPolicy({ defaults });
    },
    60_000,
  );

  it('that are sent to a session later hold up nobody', async () => {
    await using attack = holding(opcodes.flush, hostile('login', 'late', 'sleep 1000'));
    await waitUntil(() => attack.stderr.includes('handed over'), 'the attack');
    await sleep(500);
    expect(stuck()).toEqual([]);
    expect((await login(attacker, 'echo beside')).stdout.toString()).toBe('beside\n');
    await host.ctlOk('stop', attacker.name);
    attack.kill('SIGKILL');
    await nothingIsLeft();
  }, 120_000);

  it('leave behind so many sandboxes of a user and no more', async () => {
    const attacks = new AsyncDisposableStack();
    await using _all = attacks;
    const running: Running[] = [];
    for (let round = 0; round < mostLeft; round += 1) {
      const before = stuck().length;
      running.push(attacks.use(holding(opcodes.flush, [host.client, '-c', 'sleep 1000'])));
      await waitUntil(() => stuck().length > before, 'something to hang');
      await host.ctlOk('stop', attacker.name);
    }
    const refused = await login(attacker, 'true');
    expect(refused.code, describeFinished(refused)).toBe(125);
    expect(refused.stderr.toString()).toContain('E_STUCK');
    await victimIsServed();
    for (const attack of running) attack.kill('SIGKILL');
    await nothingIsLeft();
    expect((await login(attacker, 'exit 7')).code).toBe(7);
  }, 180_000);

  it('a supervisor that stands still keeps no sandbox from being ended', async () => {
    await using session = new Running(host.client, ['-c', 'echo up; exec sleep 4322'], attacker);
    await session.waitForOutput('up');
    const { initPid } = (await host.sandboxOf(attacker)) ?? { initPid: 0 };
    process.kill(parentOf(initPid), 'SIGSTOP');
    await host.ctlOk('stop', attacker.name);
    expect((await session.finished()).code).toBe(125);
    expect((await login(attacker, 'exit 7')).code).toBe(7);
    await nothingIsLeft();
  }, 60_000);
});

/** The numbers of the limits that a user's control groups have, of either version. */
function diskLimits(cgroup: string, user: string): string[] {
  const files = cgroupsOf(cgroup)
    .filter((path) => path.includes(user))
    .flatMap((path) => readdirSync(path).map((name) => join(path, name)))
    .filter((path) => /\/(io\.max|blkio\.throttle\.(read|write)_i?[ob]ps_device)$/.test(path));
  expect(files.length).toBeGreaterThan(0);
  return files.flatMap((path) => readFileSync(path, 'utf8').match(/(?<=[ =])\d+$/gm) ?? []);
}

/** A name of our own processes', and where in the kernel (fs/fuse/dev.c, mm/filemap.c, fs/fs-writeback.c). */
const hanging = /^dockersh-(superv|close) .*(request_wait_answer|folio_wait|writeback)/;

/** Undefined: no process, or one that has ended. */
function statusOf(
  pid: string,
): { readonly uid: number; readonly parent: number; readonly text: string } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const number = (name: string) => Number(new RegExp(`^${name}:\\t(\\d+)`, 'm').exec(status)?.[1]);
    const name = /^Name:\t(.*)$/m.exec(status)?.[1] ?? '';
    const text = `${name} ${readFileSync(`/proc/${pid}/wchan`, 'utf8')}`;
    return { uid: number('Uid'), parent: number('PPid'), text };
  } catch {
    return undefined;
  }
}

// One user's fork bomb or memory hog leaves the other user's login unharmed, and the host.

import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control, unlimited } from '../../fixtures/machine.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });
/** As many as a sandbox may have (native/supervisor/rootfs/devpts.c). */
const terminals = 128;

async function limited(limits: Record<string, string | number>): Promise<Login> {
  const login = await world().addLogin('shell');
  const users = { [login.user.name]: { ...limits, stop_grace: '1s', hangup_grace: '1s' } };
  await world().host.setPolicy({ defaults: { image: 'host' }, users });
  return login;
}

/** The other user's logins: warm and on a terminal, each must work. */
async function neighbourIsFine(): Promise<void> {
  const neighbour = world().login('shell');
  for (let n = 0; n < 5; n++) {
    const result = await neighbour.ssh('seq 1000 | tail -1; ps -e | wc -l >/dev/null; exit 3');
    expect(result.stdout.toString(), describeFinished(result)).toBe('1000\n');
    expect(result.code).toBe(3);
  }
  const terminal = await neighbour.ssh('tty', { options: ['-tt'] });
  expect(terminal.stdout.toString()).toMatch(/^\/dev\/pts/);
}

function processesOfUser(login: Login): number {
  return login.host.processes().filter(({ uid }) => uid === login.user.uid).length;
}

describe.skipIf(control || unlimited)('limits', () => {
  it('a fork bomb stops at its limit', async () => {
    const hog = await limited({ pids: 100, memory: '512M' });
    await using bomb = hog.start('echo ready; bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1000');
    await bomb.waitForOutput('ready');
    await waitUntil(() => processesOfUser(hog) > 60, 'the bomb to go off');
    await neighbourIsFine();
    expect(processesOfUser(hog)).toBeLessThanOrEqual(110);
    const info = await hog.host.sandboxOf(hog.user);
    expect(info?.pidsLimit).toBe(100);
    // The administrator ends it, and the user can log in again.
    await hog.host.ctlOk('stop', hog.user.name);
    await waitUntil(() => processesOfUser(hog) === 0, 'the bomb to end');
    expect((await hog.ssh('exit 4')).code).toBe(4);
  });

  it('a full process table refuses the session, with a message, and nothing else', async () => {
    const hog = await limited({ pids: 16 });
    const fill = 'for (1 .. 40) { $p = fork; last unless defined $p; if (!$p) { sleep 1000; exit } }';
    await using filler = hog.start(`perl -e '$| = 1; ${fill} print "full\\n"; sleep 1000'`);
    await filler.waitForOutput('full');
    const result = await hog.ssh('echo in');
    expect([result.code, result.stdout.toString()], describeFinished(result)).toEqual([125, '']);
    expect(result.stderr.toString()).toContain('sandbox has as many processes as it may');
    await neighbourIsFine();
    await hog.host.ctlOk('stop', hog.user.name);
  });

  it('a memory hog is killed', async () => {
    const hog = await limited({ memory: '64M', pids: 100 });
    const result = await hog.ssh('tail /dev/zero; echo "status $?"', { timeoutMs: 100_000 });
    expect([result.code, result.stdout.toString()], describeFinished(result)).toEqual([0, 'status 137\n']);
    await neighbourIsFine();
    const again = await hog.ssh('echo again');
    expect(again.stdout.toString(), describeFinished(again)).toBe('again\n');
    expect((await hog.host.sandboxOf(hog.user))?.memoryLimitBytes).toBe(64 * 1024 * 1024);
  });

  it('memory in /tmp and /dev/shm counts', async () => {
    const hog = await limited({ memory: '64M', tmp_size: '32M' });
    const tmp = await hog.ssh('head -c 50000000 /dev/zero > /tmp/big; echo "status $?"; rm -f /tmp/big');
    expect(tmp.stdout.toString()).toBe('status 1\n');
    expect(tmp.stderr.toString()).toMatch(/No space left/);
    // Three eighths of the memory, which /tmp would have as well by itself.
    const shm = await hog.ssh(
      'head -c 200000000 /dev/zero > /dev/shm/big; echo "status $?"; stat -c %s /dev/shm/big',
      { timeoutMs: 100_000 },
    );
    expect(shm.stdout.toString(), describeFinished(shm)).toBe(`status 1\n${24 * 1024 * 1024}\n`);
    expect(shm.stderr.toString()).toMatch(/No space left/);
    await neighbourIsFine();
    await hog.host.ctlOk('stop', hog.user.name);
  });

  it('with /tmp and /dev/shm full there is room to empty them', async () => {
    const hog = await limited({ memory: '128M' });
    const fill =
      'head -c 200000000 /dev/zero > /tmp/big; head -c 200000000 /dev/zero > /dev/shm/big; echo full';
    expect((await hog.ssh(fill, { timeoutMs: 100_000 })).stdout.toString()).toBe('full\n');
    const emptied = await hog.ssh('rm /tmp/big /dev/shm/big && echo emptied');
    expect(emptied.stdout.toString(), describeFinished(emptied)).toBe('emptied\n');
    await hog.host.ctlOk('stop', hog.user.name);
  });

  it('many files open, many terminals: the sandbox itself stays usable', async () => {
    const hog = await limited({ pids: 200 });
    const command =
      'perl -e \'$| = 1; @f = map { my $f; open($f, "<", "/dev/ptmx") ? $f : () } 1 .. 3000; print "opened ", scalar @f, "\\n"; sleep 1000\'';
    await using holder = hog.start(command);
    await holder.waitForOutput(/opened \d+\n/);
    expect(Number(/opened (\d+)/.exec(holder.stdout.toString())?.[1])).toBe(terminals);
    const beside = await hog.ssh('echo in; ulimit -n');
    expect(beside.stdout.toString(), describeFinished(beside)).toBe('in\n1024\n');
    await neighbourIsFine();
    await hog.host.ctlOk('stop', hog.user.name);
  });
});

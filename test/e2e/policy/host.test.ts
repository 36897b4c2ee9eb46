// Bounds on all sandboxes together ([host]), and the figures of what they take.

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control, unlimited } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { Terminal } from '../../fixtures/terminal.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

const policy = (host: string): string =>
  `[defaults]\nimage = host\nmemory = 64M\nlinger = 0\nstop_grace = 0\n[host]\n${host}`;

interface Stats {
  host: { promisedBytes: number; mostSandboxes: number | null };
  sandboxes: { user: string; sessions: number; cpusUsed: number | null; memoryBytes: number; pids: number }[];
}

describe.skipIf(control)('[host]', () => {
  it('one sandbox too many is refused, and its user gets in when there is room', async () => {
    const [one, two] = [world().login('shell'), await world().addLogin('shell')];
    await world().host.setPolicy(policy('sandboxes = 1\n'));
    await using session = one.start('echo in; read x');
    await session.waitForOutput('in');
    const refused = await two.ssh('echo in');
    expect(refused.code, describeFinished(refused)).toBe(125);
    expect(refused.stderr.toString()).toMatch(/no room for more.*\n.*E_FULL/);
    expect((await one.ssh('exit 3')).code).toBe(3);
    session.process.stdin?.end();
    await waitUntil(async () => (await two.ssh('exit 4')).code === 4, 'room', 20_000);
  });

  it('or waits for it', async () => {
    const [one, two] = [world().login('shell'), await world().addLogin('shell')];
    await world().host.setPolicy(policy('memory = 100M\nwhen_full = wait\nwait_time = 1m\n'));
    await using session = one.start('echo in; sleep 3');
    await session.waitForOutput('in');
    const started = Date.now();
    const waited = await two.ssh('exit 4');
    expect(waited.code, describeFinished(waited)).toBe(4);
    expect(Date.now() - started).toBeGreaterThan(1500);
  });

  it('sessions of all users count, those of an earlier daemon too; root is never kept out', async () => {
    const [one, two] = [world().login('shell'), await world().addLogin('shell')];
    await world().host.setPolicy(policy('sessions = 2\n'));
    await using first = one.start('echo in; sleep 1000');
    await using second = two.start('echo in; sleep 1000');
    await first.waitForOutput('in');
    await second.waitForOutput('in');
    await world().host.killDaemon('SIGKILL');
    await world().host.startDaemon();
    expect((await one.ssh('true')).code).toBe(125);
    first.kill('SIGTERM');
    await waitUntil(async () => (await two.ssh('exit 4')).code === 4, 'a place', 20_000);
  });
});

describe.skipIf(control || unlimited)('stats', () => {
  it('shows what each sandbox uses of what it may', async () => {
    const [busy, still] = [await world().addLogin('shell'), await world().addLogin('shell')];
    await world().host.setPolicy(policy('sandboxes = 10\n'));
    await using burning = busy.start('echo in; while :; do :; done');
    await using sleeping = still.start(`perl -e '$| = 1; $m = "x" x 20e6; print "in\\n"; sleep 1000'`);
    await burning.waitForOutput('in');
    await sleeping.waitForOutput('in');
    const stats = (await world().host.ctlOk('stats')) as Stats;
    expect(stats.host).toMatchObject({ mostSandboxes: 10, promisedBytes: 2 * 64 * 1024 ** 2 });
    const [first, second] = stats.sandboxes;
    expect(first).toMatchObject({ user: busy.user.name, sessions: 1 });
    expect(first?.cpusUsed).toBeGreaterThan(0.1);
    expect(second?.cpusUsed).toBeLessThan(0.1);
    expect(second?.memoryBytes).toBeGreaterThan(20e6);
    expect(first?.pids).toBeGreaterThan(0);
    const sorted = (await world().host.ctlOk('stats', '--sort', 'memory')) as Stats;
    expect(sorted.sandboxes[0]?.user).toBe(still.user.name);
    expect((await world().host.ctl('top')).code).toBe(64);
  });

  it('top shows it live on a terminal, until Ctrl-C', async () => {
    const login = await world().addLogin('shell');
    await world().host.setPolicy(policy('sandboxes = 10\n'));
    await using top = new Terminal(nodeProgram, [
      ctlBundle,
      ...['--socket', join(world().host.runFolder, 'admin.sock'), 'top', '--interval', '0.3'],
    ]);
    await top.expect(/USER +SESSIONS +CPU/);
    await using session = login.start('echo in; sleep 1000');
    await session.waitForOutput('in');
    await top.expect(new RegExp(`${login.user.name} +1 `));
    top.send('\x03');
    await top.exited();
  });
});

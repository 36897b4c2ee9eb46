// An edit of the policy reaches sandboxes that run: at once where the kernel can, and "policy diff" tells the rest.

import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control, unlimited } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, type Running, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

async function edit(login: Login, settings: PolicySection): Promise<void> {
  await world().host.setPolicy({
    defaults: { image: 'host', stop_grace: '1s' },
    users: { [login.user.name]: settings },
  });
}

/** A session that runs what it is told, line by line. */
async function shellOf(login: Login): Promise<Running> {
  const session = login.start('bash -s');
  session.process.stdin?.write('echo ready\n');
  await session.waitForOutput('ready');
  return session;
}

let marks = 0;
async function tell(session: Running, command: string): Promise<void> {
  marks += 1;
  session.process.stdin?.write(`${command}\necho "status-$?-${marks}"\n`);
  await session.waitForOutput(new RegExp(`status-\\d+-${marks}`), 60_000);
}

const limitOf = async (login: Login): Promise<number | null | undefined> =>
  (await login.host.sandboxOf(login.user))?.memoryLimitBytes;

const allocate = `perl -e '$m = "x" x 100e6; print "fits\\n"'`;

describe.skipIf(control || unlimited)('a limit that is edited', () => {
  it('memory: holds at once in the session that runs, down and up', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { memory: '512M' });
    await using session = await shellOf(login);
    await tell(session, `(${allocate})`);
    expect(session.stdout.toString()).toMatch(/fits\nstatus-0/);
    await edit(login, { memory: '64M' });
    await waitUntil(async () => (await limitOf(login)) === 64 * 1024 ** 2, 'the limit to change', 5000);
    await tell(session, `(${allocate})`);
    expect(session.stdout.toString()).toMatch(/status-137-\d+\n$/);
    await edit(login, { memory: 'none' });
    await waitUntil(async () => (await limitOf(login)) === null, 'the limit to go', 5000);
    await tell(session, `(${allocate})`);
    expect(session.stdout.toString()).toMatch(/fits\nstatus-0-\d+\n$/);
  });

  it('memory: below what is in use, it holds as soon as it can', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { memory: '512M' });
    await using session = await shellOf(login);
    await using hog = login.start(`perl -e '$| = 1; $m = "x" x 200e6; print "holds\\n"; sleep 1000'`);
    await hog.waitForOutput('holds');
    await edit(login, { memory: '64M' });
    // Version 2 ends it then and there; version 1 refuses the limit until there is room.
    await waitUntil(
      async () =>
        hog.exited || JSON.stringify(world().host.logRecords()).includes('not all as the policy says yet'),
      'the kernel to answer',
      10_000,
    );
    hog.kill('SIGTERM');
    await waitUntil(async () => (await limitOf(login)) === 64 * 1024 ** 2, 'the limit to change', 30_000);
    await tell(session, `(${allocate})`);
    expect(session.stdout.toString()).toMatch(/status-137-\d+\n$/);
  });

  it('pids and cpus', async () => {
    const login = await world().addLogin('shell');
    await edit(login, {});
    await using session = await shellOf(login);
    const forks = `perl -e 'for (1..60) { $p = fork; last unless defined $p; if (!$p) { sleep 3; exit } $n++ } print "forks $n\\n"'`;
    await tell(session, forks);
    expect(session.stdout.toString()).toMatch(/forks 60\n/);
    await edit(login, { pids: 30, cpus: '0.2' });
    await waitUntil(
      async () => (await login.host.sandboxOf(login.user))?.pidsLimit === 30,
      'the limit to change',
      5000,
    );
    await tell(session, 'sleep 4');
    await tell(session, forks);
    expect(Number(/forks (\d+)\nstatus-0-\d+\n$/.exec(session.stdout.toString())?.[1])).toBeLessThan(30);
    await tell(
      session,
      `perl -MTime::HiRes=time -e '$e = time + 3; 1 while time < $e; printf "used %.2f\\n", (times)[0]'`,
    );
    expect(Number(/used ([\d.]+)\n/.exec(session.stdout.toString())?.[1])).toBeLessThan(1);
  });

  it('cpu_weight: what is short is shared by it', async () => {
    const [heavy, light] = [await world().addLogin('shell'), await world().addLogin('shell')];
    await world().host.setPolicy({
      defaults: { image: 'host', stop_grace: '1s' },
      users: { [heavy.user.name]: { cpu_weight: 2000 }, [light.user.name]: { cpu_weight: 100 } },
    });
    const burn = `taskset -c 0 perl -MTime::HiRes=time -e '$e = time + 5; 1 while time < $e; printf "%.2f\\n", (times)[0]'`;
    await heavy.ssh('true');
    await light.ssh('true');
    const results = await Promise.all([heavy.ssh(burn), light.ssh(burn)]);
    const [much, little] = results.map(({ stdout }) => Number(stdout.toString()));
    expect(much, results.map(describeFinished).join('\n')).toBeGreaterThan(0);
    expect((much ?? 0) / Math.max(0.01, little ?? 0)).toBeGreaterThan(3);
  });

  it('that is broken leaves every limit as it is', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { memory: '512M' });
    await using session = await shellOf(login);
    await edit(login, { memory: '64M', pids: 'lots' });
    await waitUntil(
      () =>
        world()
          .host.logRecords()
          .some(({ msg }) => msg.includes('the last good one')),
      'the log to say so',
    );
    await tell(session, `(${allocate})`);
    expect(session.stdout.toString()).toMatch(/fits\nstatus-0/);
    expect(await limitOf(login)).toBe(512 * 1024 ** 2);
  });

  it('also where the daemon has been another in between', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { memory: '512M' });
    await using session = await shellOf(login);
    await world().host.killDaemon('SIGKILL');
    await edit(login, { memory: '64M' });
    await world().host.startDaemon();
    await waitUntil(async () => (await limitOf(login)) === 64 * 1024 ** 2, 'the limit to change', 5000);
    await tell(session, `(${allocate})`);
    expect(session.stdout.toString()).toMatch(/status-137-\d+\n$/);
  });
});

describe.skipIf(control || unlimited)('dockershctl policy', () => {
  it('diff tells what a running sandbox has not taken over, and when it will', async () => {
    const login = await world().addLogin('shell');
    const { name } = login.user;
    await edit(login, { memory: '512M', tmp_size: '1G' });
    await using _session = await shellOf(login);
    expect(await world().host.ctlOk('policy', 'diff', name)).toEqual({ user: name, changes: [] });
    await edit(login, { memory: '256M', tmp_size: '1024M', shm_size: '8M', 'env.A': 'b' });
    await waitUntil(async () => (await limitOf(login)) === 256 * 1024 ** 2, 'the limit to change', 5000);
    expect(await world().host.ctlOk('policy', 'diff', name)).toEqual({
      user: name,
      changes: [
        { key: 'shm_size', running: '1G', policy: '8M', applies: 'sandbox' },
        { key: 'env.A', running: null, policy: 'b', applies: 'session' },
      ],
    });
    expect((await world().host.ctl('policy', 'diff', 'root')).code).toBe(66);
  });

  it('explain names lines and groups, and says that there is no such user', async () => {
    const login = await world().addLogin('shell', { groups: ['games'] });
    await world().host.setPolicy('[defaults]\nimage = host\npids = 100\n[group:games]\npids = 200\n');
    const shown = JSON.stringify(await world().host.ctlOk('policy', 'explain', login.user.name));
    expect(shown).toContain('"games"');
    expect(shown).toMatch(
      /"key":"pids","value":"200","from":\[\{"text":"200","file":"[^"]*dockersh.ini","line":5/,
    );
    expect(await world().host.ctlOk('policy', 'explain', 'no-such-user')).toMatchObject({ account: false });
  });
});

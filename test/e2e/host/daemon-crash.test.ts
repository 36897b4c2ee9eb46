// The daemon is killed and started again while people work.

import { describe, expect, it } from 'vitest';
import { pidsOfCommand } from '../../fixtures/leaks.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, type Finished, waitUntil } from '../../fixtures/process.ts';
import { markerIn, printMarker, sandboxMarker } from '../../fixtures/sandbox-marker.ts';
import { uniqueSleep } from '../../fixtures/shell-text.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  modes: ['shell'],
  policy: { defaults: { image: 'host', hangup_grace: '1s', linger: '10m' } },
});

describe.skipIf(control)('a daemon that is killed', () => {
  it('sessions go on, their statuses arrive, and the sandbox is found again', async () => {
    const login = world().login('shell');
    const { host } = login;
    const marker = await sandboxMarker(login);
    await login.ssh('echo here > /tmp/here');

    await using shell = login.terminal(undefined, { ssh: [] });
    await shell.prompt();
    await using pipe = login.start(`cat; ${printMarker}; exit 21`);
    pipe.process.stdin?.write('before ');
    await pipe.waitForOutput('before ');
    await using sleeper = login.start('echo ready; sleep 4; exit 22');
    await sleeper.waitForOutput('ready');

    await host.killDaemon('SIGKILL');
    expect((await shell.command('echo still $((1 + 1)); tty')).output).toMatch(
      /^still 2\n\/dev\/pts\/\d+\n$/,
    );
    shell.resize(101, 41);
    await waitUntil(async () => (await shell.command('stty size')).output === '41 101\n', 'the new size');
    pipe.process.stdin?.write('between ');
    await pipe.waitForOutput('between ');
    // Ends while no daemon runs.
    expect((await sleeper.finished()).code).toBe(22);

    await host.startDaemon();
    expect(await sandboxMarker(login)).toBe(marker);
    expect((await login.ssh('cat /tmp/here')).stdout.toString()).toBe('here\n');
    await waitUntil(
      async () => (await host.sandboxOf(login.user))?.sessions.length === 2,
      'ps to show the two sessions that go on',
    );

    pipe.process.stdin?.end('after');
    const piped = await pipe.finished();
    expect(piped.code).toBe(21);
    expect(piped.stdout.toString()).toMatch(/^before between aftersandbox/);
    expect(markerIn(piped.stdout.toString())).toBe(marker);
    shell.send('exit 23\r');
    expect((await shell.exited()).code).toBe(23);
    await waitUntil(async () => (await host.sandboxOf(login.user))?.sessions.length === 0, 'no session');
  });

  it('a client that goes away while no daemon runs takes its session with it', async () => {
    const login = world().login('shell');
    const sleep = uniqueSleep();
    await using client = login.terminal(sleep);
    await waitUntil(() => pidsOfCommand(sleep).length > 0, 'the command to run');
    await login.host.killDaemon('SIGKILL');
    client.pty.kill('SIGKILL');
    await waitUntil(() => pidsOfCommand(sleep).length === 0, 'the command to end');
    await login.host.startDaemon();
  });

  it('logins that come while the daemon is started again wait for it', async () => {
    const login = world().login('shell');
    const marker = await sandboxMarker(login);
    const logins: Promise<Finished>[] = [];
    const logIn = () => logins.push(login.ssh(printMarker));
    for (let round = 0; round < 3; round++) {
      await login.host.killDaemon('SIGKILL');
      logIn();
      const started = login.host.startDaemon();
      for (let n = 0; n < 5; n++) {
        logIn();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await started;
      logIn();
    }
    for (const result of await Promise.all(logins)) {
      expect(result.code, describeFinished(result)).toBe(0);
      expect(markerIn(result.stdout.toString())).toBe(marker);
    }
  });

  it('the first logins after a start, of new users, succeed', async () => {
    const { host } = world().login('shell');
    for (let round = 0; round < 3; round++) {
      const login = await world().addLogin('shell');
      await host.killDaemon('SIGTERM');
      await host.startDaemon();
      await sandboxMarker(login);
    }
  });

  it('a daemon killed while sandboxes start leaves nothing half-made', async () => {
    const { host } = world().login('shell');
    for (const delayMs of [0, 5, 15, 40]) {
      const login = await world().addLogin('shell');
      const results = [1, 2, 3].map(async () => await login.ssh(printMarker));
      await waitUntil(() => host.logTail().includes(login.user.name) || delayMs === 0, 'the login').catch(
        () => undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, delayMs + 150));
      await host.killDaemon('SIGKILL');
      await host.startDaemon();
      for (const result of await Promise.all(results)) {
        // In time or not: it worked, or it was refused as it should be.
        expect([0, 125], describeFinished(result)).toContain(result.code);
      }
      await sandboxMarker(login);
      const all = (await host.sandboxes()).filter(({ uid }) => uid === login.user.uid);
      expect(all).toHaveLength(1);
      const inits = host
        .processes()
        .filter(({ exe, pid }) => exe === 'dockersh-init' && pid === all[0]?.initPid);
      expect(inits).toHaveLength(1);
      await host.ctlOk('stop', login.user.name);
    }
  });

  it('a login that has to wait for the daemon says so at a terminal, and nowhere else', async () => {
    const login = world().login('shell');
    const { daemonPid } = login.host;
    process.kill(daemonPid, 'SIGSTOP');
    try {
      await using terminal = login.terminal('echo in; exit 3');
      await using plain = login.start('echo in; exit 4');
      await terminal.expect(/dockersh: Waiting for the login service/);
      process.kill(daemonPid, 'SIGCONT');
      await terminal.expect(/in\r?\n/);
      expect((await terminal.exited()).code).toBe(3);
      const result = await plain.finished();
      expect(describeFinished(result)).toBe('code 4, signal null\nstdout: in\n\nstderr: ');
    } finally {
      process.kill(daemonPid, 'SIGCONT');
    }
  });

  it('SIGTERM leaves sandboxes running, too', async () => {
    const login = world().login('shell');
    await using session = login.start(`${printMarker}; cat; exit 5`);
    await session.waitForOutput('sandbox');
    expect((await login.host.killDaemon('SIGTERM')).code).toBe(0);
    await login.host.startDaemon();
    expect(await sandboxMarker(login)).toBe(markerIn(session.stdout.toString()));
    session.process.stdin?.end();
    expect((await session.finished()).code).toBe(5);
  });
});

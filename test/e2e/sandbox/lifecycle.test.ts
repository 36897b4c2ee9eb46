// One sandbox for each user: made once, shared, kept for the linger time, and made again.

import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { descriptorsOf, supervisorsOf } from '../../fixtures/kernel/descriptors.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { markerIn, printMarker, sandboxMarker } from '../../fixtures/sandbox-marker.ts';
import { supervisorOf } from '../../fixtures/supervisor.ts';
import { modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: [] });

async function newUser(mode: (typeof modes)[number], policy: PolicySection = {}): Promise<Login> {
  const login = await world().addLogin(mode);
  await world().host.setPolicy({ defaults: { image: 'host', stop_grace: '2s', ...policy } });
  return login;
}

async function gone(login: Login): Promise<void> {
  await waitUntil(
    async () => (await login.host.sandboxOf(login.user)) === undefined,
    `the sandbox of ${login.user.name} to end`,
  );
}

describe.skipIf(control).each(modes)('as %s', (mode) => {
  it('fifty first logins at once make one sandbox', async () => {
    const login = await newUser(mode);
    const results = await Promise.all(Array.from({ length: 50 }, async () => await login.ssh(printMarker)));
    for (const result of results) expect(result.code, describeFinished(result)).toBe(0);
    expect(new Set(results.map((result) => markerIn(result.stdout.toString()))).size).toBe(1);
    const sandboxes = (await login.host.sandboxes()).filter(({ uid }) => uid === login.user.uid);
    expect(sandboxes).toHaveLength(1);
    expect(sandboxes[0]).toMatchObject({ user: login.user.name, state: 'running', image: 'host' });
  });
});

describe.skipIf(control)('a sandbox', () => {
  it('is kept for the linger time', async () => {
    const login = await newUser('shell', { linger: 'forever' });
    const first = await sandboxMarker(login);
    await login.ssh('echo kept > /tmp/kept; echo kept > ~/kept');
    expect(await sandboxMarker(login)).toBe(first);
    expect((await login.ssh('cat /tmp/kept')).stdout.toString()).toBe('kept\n');
  });

  it('ends when the linger time is over, and the files of the user stay', async () => {
    const login = await newUser('shell', { linger: '1s' });
    const first = await sandboxMarker(login);
    await login.ssh('echo 1 > /tmp/gone; echo 1 > ~/kept; mkdir -p ~/.config; echo 2 > ~/.config/x');
    await gone(login);
    expect(await sandboxMarker(login)).not.toBe(first);
    const result = await login.ssh('cat ~/kept ~/.config/x; ls /tmp');
    expect(result.stdout.toString()).toBe('1\n2\n');
  });

  it('does not count linger while a session runs', async () => {
    const login = await newUser('shell', { linger: '1s' });
    await using session = login.start(`${printMarker}; read -r _; ${printMarker}`);
    await session.waitForOutput('sandbox');
    // A second session that ends must not start the countdown of the first one's sandbox.
    await sandboxMarker(login);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    session.process.stdin?.write('\n');
    expect((await session.finished()).code).toBe(0);
    const [before, after] = session.stdout.toString().trim().split('\n');
    expect(after).toBe(before);
  });

  it('a login meets every moment of a stop and succeeds', async () => {
    const login = await newUser('shell', { linger: '0' });
    const failures: string[] = [];
    // With no linger time each log-out stops the sandbox, and the next login meets that stop: at
    // once, or some milliseconds into it.
    const visit = async (rounds: number, stepMs: number) => {
      for (let n = 0; n < rounds; n++) {
        const result = await login.ssh('exit 7');
        if (result.code !== 7) failures.push(describeFinished(result));
        await new Promise((resolve) => setTimeout(resolve, n * stepMs));
      }
    };
    await visit(30, 1);
    await Promise.all([visit(15, 3), visit(15, 5), visit(15, 0)]);
    expect(failures).toEqual([]);
    await gone(login);
  });

  it('a stop by the administrator may end a session, but refuses no login', async () => {
    const login = await newUser('shell', { linger: '0' });
    const outcomes: string[] = [];
    for (let n = 0; n < 15; n++) {
      await using session = login.start('cat');
      const stopped = login.host.ctlOk('stop', login.user.name);
      const results = await Promise.all([login.ssh('exit 7'), login.ssh('exit 7')]);
      session.process.stdin?.end();
      await stopped;
      outcomes.push(...results.map((result) => `${String(result.code)} ${result.stderr.toString()}`));
    }
    for (const outcome of outcomes) {
      // A session that was running when its sandbox was stopped hears of it, or dies of it.
      expect(outcome).toMatch(
        /^(7|125|255) (dockersh: Your sandbox is being stopped by the administrator.*)?\s*$/,
      );
    }
    expect(outcomes.filter((outcome) => outcome === '7 ').length).toBeGreaterThan(0);
  });

  it('a login during a slow stop waits for it and gets a new sandbox', async () => {
    const login = await newUser('shell', { linger: '10m' });
    await using stubborn = login.start(`trap '' TERM HUP; ${printMarker}; while :; do sleep 0.2; done`);
    await stubborn.waitForOutput('sandbox');
    const old = markerIn(stubborn.stdout.toString());
    const stop = login.host.ctl('stop', login.user.name);
    await waitUntil(
      async () => (await login.host.sandboxOf(login.user))?.state !== 'running',
      'the sandbox to be stopping',
    );
    const logins = await Promise.all([1, 2, 3].map(async () => await login.ssh(printMarker)));
    for (const result of logins) expect(result.code, describeFinished(result)).toBe(0);
    const markers = new Set(logins.map((result) => markerIn(result.stdout.toString())));
    expect(markers.size).toBe(1);
    expect(markers.has(old)).toBe(false);
    expect((await stop).code).toBe(0);
    // The stubborn session lost its sandbox, and its client heard of it.
    expect((await stubborn.finished()).code).not.toBe(0);
  });

  it('stop ends running sessions, and says when there is nothing to stop', async () => {
    const login = await newUser('shell');
    await using session = login.start('echo ready; sleep 1000');
    await session.waitForOutput('ready');
    expect(await login.host.ctlOk('stop', login.user.name)).toMatchObject({ stopped: true });
    expect((await session.finished()).code).not.toBe(0);
    expect(await login.host.sandboxOf(login.user)).toBe(undefined);
    expect(await login.host.ctlOk('stop', login.user.name)).toMatchObject({ stopped: false });
  });

  it('goes on when the spawner is killed, and keeps nothing of a login open', async () => {
    const login = await newUser('shell');
    expect((await login.ssh('true')).code).toBe(0);
    for (let round = 0; round < 2; round += 1) {
      const { spawner } = supervisorOf((await login.host.sandboxOf(login.user))?.initPid);
      process.kill(spawner, 'SIGKILL');
      const result = await login.ssh('echo again', { timeoutMs: 20_000 });
      expect(result.stdout.toString(), describeFinished(result)).toBe('again\n');
    }
  });

  it('is started by no supervisor whose spawner has been killed while it waited', async () => {
    const login = await newUser('shell', { linger: '0' });
    const { host } = login;
    await host.ctl('stop', '--all');
    await descriptorsOf(host); // all that are to wait are there
    const waiting = supervisorsOf(host);
    for (const spawner of [...waiting.values()].flat()) process.kill(spawner, 'SIGKILL');
    const withSpawner = [...waiting].filter(([, children]) => children.length > 0);
    await waitUntil(
      () => withSpawner.every(([pid]) => !existsSync(`/proc/${pid}`)),
      'supervisors that are of no use to end',
    );
    for (let round = 0; round < waiting.size; round += 1) {
      const result = await login.ssh('echo in');
      expect(result.stdout.toString(), describeFinished(result)).toBe('in\n');
      await gone(login);
    }
  });

  it('ps shows the sessions with what they are', async () => {
    const login = await newUser('shell');
    await using pipe = login.start('echo ready; sleep 1000');
    await using terminal = login.terminal('echo RE""ADY; sleep 1000');
    await pipe.waitForOutput('ready');
    await terminal.expect(/READY/);
    const info = await login.host.sandboxOf(login.user);
    expect(info?.sessions).toHaveLength(2);
    expect(info?.sessions.filter(({ tty }) => Boolean(tty))).toHaveLength(1);
    expect(new Set(info?.sessions.map(({ id }) => id)).size).toBe(2);
    for (const { pid } of info?.sessions ?? []) expect(pid).toBeGreaterThan(1);
  });
});

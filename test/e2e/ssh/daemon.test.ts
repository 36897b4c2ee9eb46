// Connections of sshd's while the daemon hangs, is gone, or comes back.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { checkout } from '../../fixtures/paths.ts';
import { run, waitUntil } from '../../fixtures/process.ts';
import { Ssh2Connection } from '../../fixtures/ssh/ssh2-client.ts';
import { useWorld } from '../../fixtures/world.ts';

/** As many as five users may have. */
const many = 500;
const world = useWorld({
  module: true,
  modes: ['shell'],
  policy: { defaults: { image: 'host', linger: '5s' } },
});

/** How long an attempt takes, and what the client shows. */
async function attempt(login: Login): Promise<{ ms: number; code: number | null; text: string }> {
  const began = performance.now();
  const { code, stdout, stderr } = await login.ssh('echo in');
  return { ms: performance.now() - began, code, text: `${stdout.toString()}${stderr.toString()}` };
}

describe.skipIf(control)('a connection', () => {
  it('is refused after two seconds by a daemon that hangs, and says why', async () => {
    const login = world().login('shell');
    const usual = await attempt(login);
    expect(usual).toMatchObject({ code: 0, text: 'in\n' });
    process.kill(world().host.daemonPid, 'SIGSTOP');
    try {
      const hung = await attempt(login);
      expect(hung.code).toBe(254);
      expect(hung.text).toMatch(/dockershd\) does not answer/);
      expect(hung.text).not.toContain('in\n');
      expect(hung.ms).toBeGreaterThan(2_000);
      expect(hung.ms).toBeLessThan(2_000 + usual.ms + 3_000); // other tests run meanwhile
    } finally {
      process.kill(world().host.daemonPid, 'SIGCONT');
    }
    expect(await attempt(login)).toMatchObject({ code: 0 });
  });

  it('is refused after two seconds where there is no daemon, and let in by one that comes in time', async () => {
    const login = world().login('shell');
    await world().host.killDaemon('SIGTERM');
    const refused = await attempt(login);
    expect(refused).toMatchObject({ code: 254, text: expect.stringMatching(/dockershd\) does not answer/) });
    expect(refused.ms).toBeGreaterThan(2_000);
    await world().host.startDaemon();
    expect(existsSync(join(world().host.runFolder, 'join.sock'))).toBe(true);
    expect(await attempt(login)).toMatchObject({ code: 0 });
  });

  it('outlives daemons, and is known to the next one', async () => {
    const { host } = world();
    const login = world().login('shell');
    await using session = login.start('echo here; cat');
    await session.waitForOutput('here');
    const before = (await host.sandboxOf(login.user))?.connections;
    expect(before).toHaveLength(1);
    await host.killDaemon('SIGKILL');
    await host.startDaemon();
    expect((await host.sandboxOf(login.user))?.connections).toEqual(before);
    session.kill('SIGKILL');
    await waitUntil(async () => (await host.sandboxOf(login.user))?.connections.length === 0, 'its end');
    await waitUntil(
      async () => (await host.sandboxOf(login.user)) === undefined,
      'the sandbox to linger out',
      20_000,
    );
  });

  it('is none of five hundred at once that is lost', async () => {
    const { host } = world();
    const logins = [];
    for (let count = 0; count < 5; count += 1) logins.push(await world().addLogin('shell'));
    const users = logins.map(({ user }) => user.name).join(',');
    const program = join(checkout, 'test/fixtures/ssh/join.py');
    const socket = join(host.runFolder, 'join.sock');
    const result = await run('python3', [program, socket, users, 'password\n', '500', 'together']);
    const lines = result.stdout.toString().trim().split('\n');
    expect(lines.filter((line) => line.startsWith('10 '))).toHaveLength(500);
    await waitUntil(
      async () => (await host.sandboxes()).every(({ connections }) => connections.length === 0),
      'all to end',
    );
  });

  it(`is none of ${many} at once that is lost with its session, by real clients`, async () => {
    const { host } = world();
    const logins: Login[] = [];
    for (let count = 0; count < 5; count += 1) logins.push(await world().addLogin('shell'));
    await using opened = new AsyncDisposableStack();
    const said = await Promise.all(
      Array.from({ length: many }, async (_, number) => {
        const { sshd, user } = logins[number % logins.length] ?? world().login('shell');
        const { port, identity } = sshd;
        const target = { port, identity, userName: user.name, readyTimeoutMs: 280_000 };
        const connection = opened.use(await Ssh2Connection.open(target));
        const session = await connection.start(`echo ${number}; cat`);
        await session.waitForOutput('\n', 280_000);
        return session.stdout;
      }),
    );
    expect(said).toEqual(Array.from({ length: many }, (_, number) => `${number}\n`));
    const sandboxes = await host.sandboxes();
    expect(sandboxes.flatMap(({ connections }) => connections)).toHaveLength(many);
    expect(sandboxes.flatMap(({ sessions }) => sessions)).toHaveLength(many);
    await opened.disposeAsync();
    await waitUntil(
      async () => (await host.sandboxes()).every(({ connections }) => connections.length === 0),
      'all to end',
      60_000,
    );
  }, 600_000);
});

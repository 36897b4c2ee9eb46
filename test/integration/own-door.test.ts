// While a user has a sandbox they log in by a socket of their own, in whose queue nobody else can stand.

import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host } from '../fixtures/host.ts';
import { control } from '../fixtures/machine.ts';
import { checkout } from '../fixtures/paths.ts';
import { describeFinished, type Finished, Running, run, runOk, waitUntil } from '../fixtures/process.ts';
import { TestUser } from '../fixtures/users.ts';

/** How many wait there to be accepted: what is connecting, by the name that the socket was made with. */
function connectingTo(socket: string): number {
  const lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return lines.filter((line) => line.endsWith(` ${socket}.new`) && / 0005 02 /.test(line)).length;
}

/** Whoever closes the last copy of the attacker's socket waits so long. */
const lingerMs = 10_000;

describe.skipIf(control)("a user's own login socket", () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let user: TestUser;
  let other: TestUser;
  let hostile: string;

  beforeAll(async () => {
    host = parts.use(await Host.start({ policy: { defaults: { image: 'host', linger: '1m' } } }));
    user = parts.use(await TestUser.create({ shell: host.client }));
    other = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(user.uid, other.uid);
    hostile = join(host.folder, 'bin/hostile');
    await runOk('gcc', ['-O1', '-o', hostile, join(checkout, 'test/integration/attacks/hostile.c')]);
  });

  afterAll(async () => {
    await parts.disposeAsync();
  });

  const login = async ({ uid, gid }: TestUser): Promise<Finished> =>
    await run(host.client, ['-c', 'echo served'], { uid, gid });
  const served = async (who: TestUser): Promise<void> => {
    const result = await login(who);
    expect(result.stdout.toString(), describeFinished(result)).toBe('served\n');
  };
  const door = ({ uid }: TestUser): string => join(host.runFolder, `doors/${uid}.sock`);
  // The first login need not wait until the daemon has heard that the sandbox runs.
  const there = async (who: TestUser): Promise<void> =>
    await waitUntil(() => existsSync(door(who)), 'the socket to be there', 5_000);
  const shut = async (who: TestUser): Promise<void> =>
    await waitUntil(() => !existsSync(door(who)), 'the socket to be gone');

  it('is there as long as the sandbox, for nobody else', async () => {
    expect(existsSync(door(user))).toBe(false);
    await served(user);
    await there(user);
    const { mode, uid } = lstatSync(door(user));
    expect([mode & 0o777, uid]).toEqual([0o600, user.uid]);
    const stranger = await run(hostile, [door(user), 'silent', '3', '0'], { uid: other.uid, gid: other.gid });
    expect(stranger.stdout.toString()).toBe('0\n');
    await host.ctlOk('stop', user.name);
    await shut(user);
    await served(user);
    await there(user);
  });

  it('is what logins come by: with the other one away they go on', async () => {
    await served(user);
    const everybodys = join(host.runFolder, 'login.sock');
    await runOk('mv', [everybodys, `${everybodys}.away`]);
    try {
      await served(user);
      expect((await login(other)).code).toBe(125);
    } finally {
      await runOk('mv', [`${everybodys}.away`, everybodys]);
    }
    await served(other);
  });

  it('is made again by a daemon that finds the sandbox running', async () => {
    await served(user);
    await host.killDaemon('SIGKILL');
    expect(existsSync(door(user))).toBe(true);
    await host.startDaemon();
    expect((await host.sandboxOf(user))?.state).toBe('running');
    await served(user);
    await host.killDaemon('SIGTERM');
    expect(existsSync(door(user))).toBe(false);
    await host.startDaemon();
    expect(existsSync(door(user))).toBe(true);
  });

  it('serves whoever has come by it when it is closed', async () => {
    await served(user);
    await there(user);
    const { uid, gid } = user;
    process.kill(host.daemonPid, 'SIGSTOP');
    const init = host.processes().find(({ exe }) => exe === 'dockersh-init')?.pid ?? 0;
    process.kill(init, 'SIGKILL');
    await waitUntil(() => !existsSync(join(host.runFolder, `sandboxes/${uid}.sock`)), 'the sandbox to end');
    const waiting = [1, 2].map(() => new Running(host.client, ['-c', 'echo served'], { uid, gid }));
    try {
      await waitUntil(() => connectingTo(door(user)) === waiting.length, 'them to be in the queue');
    } finally {
      process.kill(host.daemonPid, 'SIGCONT');
    }
    for (const client of waiting) {
      const result = await client.finished();
      expect(result.stdout.toString(), describeFinished(result)).toBe('served\n');
    }
  });

  it('takes nobody else’s time when it is closed with much in its queue', async () => {
    await served(user);
    await served(other);
    const { uid, gid } = user;
    process.kill(host.daemonPid, 'SIGSTOP');
    await using slow = new Running(hostile, [door(user), 'linger', String(lingerMs / 1_000)], { uid, gid });
    await using many = new Running(hostile, [door(user), 'silent', '200', '30'], {
      ...{ uid, gid },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await many.waitForOutput('200\n');
      await sleep(1_000); // the other one has sent its message by then
      expect(slow.exited).toBe(false);
    } finally {
      process.kill(host.daemonPid, 'SIGCONT');
    }
    const closed = performance.now();
    await host.ctlOk('stop', user.name);
    await served(other);
    expect(performance.now() - closed).toBeLessThan(lingerMs / 2);
    await many[Symbol.asyncDispose](); // they are as many as one user may have under way
    await waitUntil(async () => (await login(user)).code === 0, 'the user to get in again');
  });
});

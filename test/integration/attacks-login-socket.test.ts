// A user speaks to the login socket with a program of their own (attacks/hostile.c). Whatever it sends, the
// daemon keeps no descriptor of it, goes on, and serves everybody else meanwhile.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host } from '../fixtures/host.ts';
import { descriptorsOf, descriptorsSettle } from '../fixtures/kernel/descriptors.ts';
import { control } from '../fixtures/machine.ts';
import { checkout } from '../fixtures/paths.ts';
import { type Finished, Running, run, runOk, waitUntil } from '../fixtures/process.ts';
import { TestUser } from '../fixtures/users.ts';

/** What a login of somebody else may take while one user attacks; a cold one takes some ten milliseconds. */
const patienceMs = 2_000;

describe.skipIf(control)('a hostile login client', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let attacker: TestUser;
  let victim: TestUser;

  beforeAll(async () => {
    host = parts.use(await Host.start({ policy: { defaults: { image: 'host', linger: '10m' } } }));
    attacker = parts.use(await TestUser.create({ shell: host.client }));
    victim = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(attacker.uid, victim.uid);
    const source = join(checkout, 'test/integration/attacks/hostile.c');
    await runOk('gcc', ['-O1', '-o', join(host.folder, 'bin/hostile'), source]);
    // Both sandboxes are there throughout: what daemons hold for them is no leak, and hostile.c does not ask again, as
    // the client does, when its sandbox was about to end.
    for (const user of [victim, attacker]) await login(user, 'true');
  });

  afterAll(async () => {
    await parts.disposeAsync();
  });

  const hostile = (...args: string[]): [string, string[], { uid: number; gid: number }] => [
    join(host.folder, 'bin/hostile'),
    [join(host.runFolder, 'login.sock'), ...args],
    { uid: attacker.uid, gid: attacker.gid },
  ];

  const login = async ({ uid, gid }: TestUser, command: string): Promise<Finished> =>
    await run(host.client, ['-c', command], { uid, gid });

  const descriptors = (): Promise<number> => descriptorsOf(host);
  const settled = async (before: number): Promise<void> => await descriptorsSettle(host, before);

  const victimIsServed = async (): Promise<void> => {
    const began = performance.now();
    const result = await login(victim, 'echo served');
    expect(result.stdout.toString()).toBe('served\n');
    expect(performance.now() - began).toBeLessThan(patienceMs);
  };

  it.each([
    ['empty messages that carry descriptors', ['empty', '200']],
    ['broken messages of every kind', ['broken', '600']],
    ['messages of nothing but fields', ['fields', '20']],
  ])('leaves nothing behind with %s', async (_name, args) => {
    const before = await descriptors();
    expect((await run(...hostile(...args))).code).toBe(0);
    await settled(before);
    await victimIsServed();
  });

  it.each(['folder', 'path', 'root'])('is refused with a %s as a descriptor', async (kind) => {
    const before = await descriptors();
    const result = await run(...hostile('login', kind, 'echo ran'));
    expect(result.stdout.toString()).toMatch(/answer [34]:.*folders or disks/);
    expect(result.stdout.toString()).not.toContain('answer 2');
    await settled(before);
  });

  it('holds up nobody by connecting without a pause', async () => {
    await using _flood = new Running(...hostile('connect', '5'));
    await sleep(300);
    await victimIsServed();
  });

  it('holds up nobody by saying nothing', async () => {
    await using _crowd = new Running(...hostile('silent', '2000', '5'));
    await sleep(300);
    await victimIsServed();
  });

  it.each([
    ['of a refused login', ['linger', '6']],
    ['of an accepted one', ['login', 'linger', 'true']],
  ])('holds up nobody with a socket that is slow to close, %s', async (_name, args) => {
    await login(attacker, 'true');
    await using _attack = new Running(...hostile(...args));
    await sleep(1_000);
    await victimIsServed();
  });

  it('ends nothing by having more refused than the launcher can take', async () => {
    await login(victim, 'true');
    const before = await descriptors();
    const launcher = Number(readFileSync(`/proc/${host.daemonPid}/task/${host.daemonPid}/children`, 'utf8'));
    process.kill(launcher, 'SIGSTOP');
    try {
      expect((await run(...hostile('silent', '1000', '0'))).code).toBe(0);
      await host.ctlOk('stop', victim.name);
      await victimIsServed(); // by a supervisor that was ready: the next one is asked for behind the refusals
      await host.ctlOk('ps');
    } finally {
      process.kill(launcher, 'SIGCONT');
    }
    for (let round = 0; round < 6; round += 1) {
      await host.ctlOk('stop', victim.name); // more often than supervisors were ready
      await victimIsServed();
    }
    await settled(before);
  });

  it('that hangs up at any moment leaves no session', async () => {
    for (let round = 0; round < 20; round++) {
      for (const kind of ['gone', 'started']) await run(...hostile('login', kind, 'exec sleep 987'));
    }
    await waitUntil(
      async () => ((await host.sandboxOf(attacker))?.sessions.length ?? 0) === 0,
      'the sessions to end',
      15_000,
    );
  });
});

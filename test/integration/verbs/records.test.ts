// Every session and sandbox has a beginning and an end in the log, the end with its cause, each with the same fields; and
// "logins" has them still when the daemon is another one.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AdminLogin } from '../../../src/protocol/admin.ts';
import type { LogRecord } from '../../fixtures/host.ts';
import { lacks, unlimited } from '../../fixtures/machine.ts';
import { Running, run, waitUntil } from '../../fixtures/process.ts';
import { VerbsHost } from './verbs-host.ts';

const defaults = { image: 'lab/base:1', linger: '1h', stop_grace: '1s', hangup_grace: '1s', memory: '48M' };

describe.skipIf(lacks('busybox'))('the record', () => {
  let verbs: VerbsHost;
  const ours = (): LogRecord[] => verbs.host.logRecords().filter(({ user }) => user === verbs.name);
  /** What the log gets about the user meanwhile, until there is such an event. */
  const records = async (last: string, work: () => Promise<unknown>): Promise<LogRecord[]> => {
    const before = ours().length;
    await work();
    const fresh = () => ours().slice(before);
    await waitUntil(() => fresh().some(({ event }) => event === last), `${last} in the log`);
    return fresh().filter(({ event }) => event !== undefined);
  };
  const client = (...args: string[]): Running => {
    const { uid, gid } = verbs.user;
    return new Running(verbs.host.client, args, { uid, gid });
  };
  const sleeper = async (): Promise<Running> => {
    const session = client('-c', 'echo ready; exec sleep 1000');
    await session.waitForOutput('ready');
    return session;
  };
  const set = async (settings: Record<string, string>): Promise<void> =>
    await verbs.host.setPolicy({ defaults: { ...defaults, ...settings } });
  const logins = async (...args: string[]): Promise<AdminLogin[]> =>
    ((await verbs.host.ctlOk('logins', ...args)) as { logins: AdminLogin[] }).logins;

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy: { defaults } });
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  it('of a session says when it began, where, and how it ended', async () => {
    await verbs.inside('true');
    await waitUntil(() => ours().some(({ event }) => event === 'session-closed'), 'the first one to end');
    const [opened, closed] = await records(
      'session-closed',
      async () => await verbs.exec('/bin/sh', '-c', 'exit 3'),
    );
    const { uid } = verbs.user;
    const session = opened?.['session'];
    const common = { uid, user: verbs.name, session: expect.stringMatching(/^[0-9a-f]{10}$/) };
    expect(opened).toMatchObject({
      ...common,
      event: 'session-opened',
      kind: 'warm',
      image: 'lab/base:1',
      byUid: 0,
    });
    expect(opened?.msg).toBe(
      `session opened for ${verbs.name} by uid 0: the running sandbox, image lab/base:1 [${String(session)}]`,
    );
    expect(closed).toMatchObject({ ...common, session, event: 'session-closed', cause: 'exit', status: 3 });
    expect(closed?.msg).toMatch(
      /^session closed for \S+ after \d+m?s: logged out, exit status 3 \[[0-9a-f]{10}\]$/,
    );
  });

  it.each([
    ['signal', {}, 'kill -9 $$', { signal: 9 }],
    ...(unlimited
      ? []
      : [['out-of-memory', {}, 'exec busybox dd if=/dev/zero of=/dev/null bs=200M count=1', {}] as const]),
  ] as const)('of a session that ends by itself: %s', async (cause, settings, script, more) => {
    await set(settings);
    const closed = (
      await records('session-closed', async () => await verbs.exec('/bin/sh', '-c', script))
    ).at(-1);
    expect(closed).toMatchObject({ event: 'session-closed', cause, ...more });
    expect((await logins('--user', verbs.name, '--limit', '1'))[0]).toMatchObject({ cause });
  });

  it('of a session whose client goes', async () => {
    await using session = await sleeper();
    const closed = (await records('session-closed', async () => session.kill('SIGKILL'))).at(-1);
    expect(closed).toMatchObject({ cause: 'hung-up', signal: 1 });
  });

  it('of a login that is refused', async () => {
    await set({ maintenance: 'back at noon' });
    const { uid, gid, name } = verbs.user;
    const env = { SSH_CONNECTION: '203.0.113.7 5 192.0.2.1 22' };
    const [refused] = await records(
      'login-refused',
      async () => await run(verbs.host.client, ['-c', 'true'], { uid, gid, env }),
    );
    expect(refused).toMatchObject({ uid, user: name, from: '203.0.113.7', code: 'E_MAINTENANCE' });
    expect(refused?.msg).toMatch(
      /^login refused for \S+ from 203\.0\.113\.7: .* \[E_MAINTENANCE\] \[[0-9a-f]{10}\]$/,
    );
    expect(await logins('--failed', '--from', '203.0.113.7')).toMatchObject([
      { user: name, outcome: 'E_MAINTENANCE' },
    ]);
    expect(await logins('--from', '203.0.113.8')).toEqual([]);
    expect(await logins('--user', 'root')).toEqual([]);
    await set({});
  });

  it('of a session that has lasted as long as it may', async () => {
    await set({ session_time: '1s' });
    await using session = client('-c', 'sleep 60');
    const closed = await records('session-closed', async () => await session.finished());
    expect(closed.at(-1)).toMatchObject({ cause: 'session-time' });
    await set({});
  });

  const endings: [string, string, () => Promise<unknown>][] = [
    ['stopped', 'by root (stop)', async () => await verbs.host.ctlOk('stop', verbs.name)],
    ['stopped', 'by root (reset)', async () => await verbs.host.ctlOk('reset', '--yes', verbs.name)],
    ['init-ended', 'PID 1 of the sandbox was killed', async () => process.kill(await pidOne(), 'SIGKILL')],
    [
      'shutdown',
      'all sandboxes of this host',
      async () => process.kill(await supervisorOf(await pidOne()), 'SIGTERM'),
    ],
    [
      'supervisor-died',
      'was killed',
      async () => process.kill(await supervisorOf(await pidOne()), 'SIGKILL'),
    ],
  ];
  const pidOne = async (): Promise<number> => (await verbs.host.sandboxOf(verbs.user))?.initPid ?? 0;
  const supervisorOf = async (pid: number): Promise<number> =>
    Number(/^PPid:\t(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);

  it.each(endings)('of a sandbox and of a session that ends with it: %s', async (cause, words, end) => {
    await using _session = await sleeper();
    const fresh = await records('sandbox-ended', end);
    const ended = fresh.filter(({ event }) => event === 'session-closed' || event === 'sandbox-ended');
    // With PID 1 the kernel kills the others first.
    const first = cause === 'init-ended' ? 'signal' : cause;
    expect(ended).toMatchObject([
      { event: 'session-closed', cause: first },
      { event: 'sandbox-ended', cause },
    ]);
    expect(ended.at(-1)?.msg).toContain(words);
  });

  it('of a sandbox that nobody needs any more', async () => {
    await set({ linger: '100ms' });
    const fresh = await records('sandbox-ended', async () => await verbs.inside('true'));
    expect(fresh.map(({ event }) => event)).toEqual([
      'sandbox-started',
      'session-opened',
      'session-closed',
      'sandbox-ended',
    ]);
    expect(fresh.at(-1)).toMatchObject({ cause: 'linger', user: verbs.name });
    await set({});
  });

  it('of logins is there still for the next daemon, of those that it did not see end as well', async () => {
    await verbs.inside('true');
    await using session = await sleeper();
    const before = await logins('--limit', '1000');
    expect(before.length).toBeGreaterThan(1);
    // It is written a few milliseconds later.
    const file = join(verbs.host.stateFolder, 'logins.jsonl');
    const isKept = async () => (await readFile(file, 'utf8')).includes(`"${before[0]?.id}"`);
    await waitUntil(isKept, 'the last login in its file');
    await verbs.host.killDaemon('SIGKILL');
    await verbs.host.startDaemon();
    expect(await logins('--limit', '1000')).toEqual(before);
    const closed = (await records('session-closed', async () => session.kill('SIGKILL'))).at(-1);
    expect(closed).toMatchObject({ cause: 'hung-up', ms: expect.any(Number) });

    await using lost = await sleeper();
    const supervisor = await supervisorOf(await pidOne());
    await verbs.host.killDaemon('SIGKILL');
    process.kill(supervisor, 'SIGKILL');
    await lost.finished();
    await verbs.host.startDaemon();
    expect((await logins('--limit', '1'))[0]).toMatchObject({ cause: 'unseen', outcome: 'unseen' });
    expect(ours().at(-1)).toMatchObject({ event: 'session-closed', cause: 'unseen' });
  });

  it('of a session that the end of the host has ended says so', async () => {
    await using _session = await sleeper();
    const supervisor = await supervisorOf(await pidOne());
    await verbs.host.killDaemon('SIGTERM');
    process.kill(supervisor, 'SIGKILL');
    const file = join(verbs.host.stateFolder, 'logins.jsonl');
    const lines = (await readFile(file, 'utf8')).split('\n');
    await writeFile(file, ['{"boot":"another"}', ...lines.slice(1), '{"half":'].join('\n'));
    await verbs.host.startDaemon();
    expect((await logins('--limit', '1'))[0]).toMatchObject({ cause: 'host-restarted' });
  });
});

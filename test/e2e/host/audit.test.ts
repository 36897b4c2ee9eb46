// The audit trail: what is written of people and administrators, that nobody can keep a line out of it, and what
// becomes of logins when it can't be written.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, runOk, waitUntil } from '../../fixtures/process.ts';
import { SmallDisk } from '../../fixtures/small-disk.ts';
import { useWorld, World } from '../../fixtures/world.ts';

type Line = Record<string, unknown>;

const world = useWorld({
  modes: ['shell', 'force'],
  module: true,
  policy: { defaults: { image: 'host', linger: '10m' } },
});

async function linesOf({ auditFolder }: { readonly auditFolder: string }): Promise<Line[]> {
  const text = await readFile(join(auditFolder, 'audit.jsonl'), 'utf8');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

/** As an administrator reads it. */
const shown = async ({ runFolder }: { readonly runFolder: string }, ...args: string[]): Promise<string> =>
  await runOk(nodeProgram, [ctlBundle, '--socket', join(runFolder, 'admin.sock'), 'audit', ...args]);

describe.skipIf(control)('the audit trail', () => {
  it.each(['shell', 'force'] as const)('has a login with its command, and its end (%s)', async (mode) => {
    const login = world().login(mode);
    const { user, host } = login;
    const before = (await linesOf(host)).length;
    const command = `echo "$((6 * 7))" 'ä'; exit 3`;
    expect((await login.ssh(command)).code).toBe(3);
    await waitUntil(
      async () => (await linesOf(host)).slice(before).some(({ event }) => event === 'connection-closed'),
      'the end',
    );
    const lines = (await linesOf(host)).slice(before);
    const begun = lines.find(({ event }) => event === 'login');
    expect(begun).toMatchObject({
      ...{ uid: user.uid, user: user.name, from: '127.0.0.1', command, image: 'host' },
      policy: expect.arrayContaining([expect.stringMatching(/^dockersh\.ini:\d+ \[defaults\]$/)]),
    });
    expect(lines.find(({ event }) => event === 'connection-opened')).toMatchObject({
      ...{ user: user.name, from: '127.0.0.1' },
      auth: expect.stringMatching(/^publickey SHA256:/),
    });
    expect(
      lines.find(({ session, event }) => session === begun?.['session'] && event === 'session-closed'),
    ).toMatchObject({
      user: user.name,
      cause: 'exit',
      status: 3,
      ms: expect.any(Number),
      cpuMs: expect.any(Number),
    });
  });

  it('has what the programs of a session have read and written', async () => {
    const login = world().login('shell');
    const { host } = login;
    const before = (await linesOf(host)).length;
    await login.ssh('head -c 3000000 /dev/zero | cat >/dev/null');
    const ended = async (): Promise<Line | undefined> =>
      (await linesOf(host)).slice(before).find(({ event }) => event === 'session-closed');
    await waitUntil(async () => (await ended()) !== undefined, 'the end');
    const { readBytes, writtenBytes } = (await ended()) ?? {};
    for (const bytes of [readBytes, writtenBytes]) {
      expect(bytes).toBeGreaterThanOrEqual(6_000_000);
      expect(bytes).toBeLessThan(8_000_000);
    }
  });

  it('has each forward of a connection by the gateway, and how often there were more', async () => {
    await using other = await World.create({
      modes: ['gateway'],
      policy: { defaults: { image: 'host', linger: '10m' } },
    });
    const login = other.login('gateway');
    const { host, user } = login;
    const forwards = async (): Promise<Line[]> =>
      (await linesOf(host)).filter(({ event }) => event === 'forward');
    await login.ssh(undefined, { options: ['-W', '127.0.0.1:1'], input: '' });
    await waitUntil(async () => (await forwards()).length > 0, 'a forward that came to nothing');
    expect((await forwards())[0]).toMatchObject({
      ...{ uid: user.uid, user: user.name, from: expect.stringMatching(/^127\.0\.0\.1/) },
      ...{ protocol: 'tcp', way: 'connect', target: '127.0.0.1', port: 1, errno: 111, count: 1 },
    });
    const path = '/tmp/a\u00e4-socket';
    const result = await login.ssh('true', { options: ['-R', `${path}:127.0.0.1:9`] });
    expect(result.code, describeFinished(result)).toBe(0);
    await waitUntil(async () => (await forwards()).length > 1, 'a socket that listens');
    expect((await forwards())[1]).toMatchObject({ protocol: 'unix', way: 'listen', target: path, count: 1 });
    expect((await forwards())[1]).not.toHaveProperty('errno');
    const [, { session } = {}] = await forwards();
    const opened = (await linesOf(host)).filter(({ event }) => event === 'connection-opened');
    expect(opened.map((line) => line['session'])).toContain(session);
    expect(await shown(host, '--event', 'forward')).toContain(
      'connect tcp 127.0.0.1, port 1, failed, errno 111',
    );
  });

  it('has refusals, root’s commands and what administrators ask for, and looks at nothing else', async () => {
    const login = world().login('shell');
    const { user, host } = login;
    const before = (await linesOf(host)).length;
    await host.setPolicy({ defaults: { image: 'host', maintenance: 'closed' } });
    expect((await login.ssh('true')).code).not.toBe(0);
    await host.setPolicy({ defaults: { image: 'host', linger: '10m' } });
    await runOk(join(host.folder, 'bin/dockersh-exec'), [user.name, '/bin/echo', 'a b', 'c']);
    await host.ctlOk('ps');
    await host.ctlOk('stop', user.name, '--message', 'good night');
    expect((await host.ctl('image', 'rm', 'nothing:1')).code).not.toBe(0);
    const lines = (await linesOf(host)).slice(before);
    const refused = lines.find(({ event }) => event === 'login-refused');
    expect(refused).toMatchObject({ user: user.name, from: '127.0.0.1', code: 'E_MAINTENANCE' });
    expect(lines.find(({ byUid }) => byUid === 0)).toMatchObject({
      user: user.name,
      command: '/bin/echo a b c',
    });
    const asked = lines.filter(({ event }) => event === 'administration');
    expect(asked.map(({ verb, code }) => [verb, code])).toEqual([
      ['stop', undefined],
      ['image.rm', 'E_NOT_FOUND'],
    ]);
    expect(asked[0]).toMatchObject({ user: user.name, params: { message: 'good night' } });
    expect(lines.find(({ event }) => event === 'sandbox-ended')).toMatchObject({
      user: user.name,
      verb: 'stop',
    });
  });

  it('is listed by user, address, time and failure, without what would act on a terminal', async () => {
    const login = world().login('shell');
    const { user, host } = login;
    await login.ssh(`true; : '\u001b]0;owned\u0007'`);
    const listed = await shown(host, '--user', user.name, '--since', '1h', '--event', 'login');
    expect(listed).toContain('owned');
    expect(listed).not.toContain('\u001b');
    const count = async (...args: string[]): Promise<number> =>
      ((await host.ctlOk('audit', ...args)) as { lines: Line[] }).lines.length;
    expect(await count('--user', user.name, '--from', '127.0.0.1')).toBeGreaterThan(0);
    expect(await count('--user', String(user.uid), '--from', '192.0.2.1')).toBe(0);
    expect(await count('--user', 'nobody-at-all')).toBe(0);
    expect(await count('--user', user.name, '--until', '1h')).toBe(0);
    expect(await count('--failed', '--event', 'login')).toBe(0);
  });

  it('loses no login that anybody has had, whenever the daemon is killed', async () => {
    const { host } = world();
    const login = world().login('shell');
    const heard = new Set<string>();
    let isOver = false;
    const logIn = async (worker: number): Promise<void> => {
      for (let index = 0; !isOver; index += 1) {
        const word = `said-${worker}-${index}`;
        const result = await login.ssh(`echo ${word}`);
        if (result.stdout.toString().includes(word)) heard.add(word);
      }
    };
    const workers = [0, 1].map(async (worker) => await logIn(worker));
    for (let round = 0; round < 12; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 600));
      await host.killDaemon('SIGKILL');
      await host.startDaemon();
    }
    isOver = true;
    await Promise.all(workers);
    const commands = new Set((await linesOf(host)).map(({ command }) => command));
    expect(heard.size).toBeGreaterThan(5);
    expect([...heard].filter((word) => !commands.has(`echo ${word}`))).toEqual([]);
    const verified = await host.ctlOk('audit', 'verify');
    expect(verified).toMatchObject({ firstSeq: 1 });
    // Whose end nobody has seen has an end as well.
    await waitUntil(async () => {
      const lines = await linesOf(host);
      const ended = new Set(
        lines.filter(({ event }) => event === 'session-closed').map(({ session }) => session),
      );
      return lines.filter(({ event }) => event === 'login').every(({ session }) => ended.has(session));
    }, 'every session’s end');
  });

  it('on a full disk keeps nobody out, and says what is missing; or keeps everybody out where it is required', async () => {
    await using disk = await SmallDisk.mount();
    await using other = await World.create({
      policy: { defaults: { image: 'host' } },
      auditFolder: disk.mountPoint,
    });
    const login = other.login('shell');
    const { host } = login;
    expect((await login.ssh('echo before')).code).toBe(0);
    await disk.fill();
    // What is left of a block that is in use takes a few lines more.
    let refused = await login.ssh('true');
    await host.setPolicy('[host]\naudit = required\n[defaults]\nimage = host\n');
    await waitUntil(async () => {
      refused = await login.ssh(`: ${'x'.repeat(3000)}`);
      return refused.code !== 0;
    }, 'a refusal');
    expect(describeFinished(refused)).toContain('E_AUDIT');
    await host.setPolicy({ defaults: { image: 'host' } });
    expect((await login.ssh('echo here')).stdout.toString()).toBe('here\n');
    await disk.makeRoom();
    expect((await login.ssh('echo after')).code).toBe(0);
    const lines = await linesOf(host);
    expect(lines.find(({ event }) => event === 'audit-gap')).toMatchObject({ lines: expect.any(Number) });
    expect(lines.some(({ command }) => command === 'echo after')).toBe(true);
    expect(await host.ctl('audit', 'verify')).toMatchObject({ code: 0 });
  });
});

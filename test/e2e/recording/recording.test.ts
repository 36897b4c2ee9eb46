// Recordings of terminals: that all is in them, that nobody inside ends them, and what is never recorded.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, run, runOk, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const defaults = { image: 'host', linger: '10m' };
const recorded = { ...defaults, record: 'yes' };

const world = useWorld({ modes: ['shell', 'force'], policy: { defaults: recorded } });

interface Host {
  readonly runFolder: string;
  readonly auditFolder: string;
}

interface Shown {
  readonly id: string;
  readonly user: string;
  readonly endedAt: string | null;
  readonly sizeBytes: number;
  readonly path: string;
}

const recordings = async ({ runFolder }: Host, ...args: string[]) =>
  await run(nodeProgram, [
    ctlBundle,
    '--json',
    '--socket',
    join(runFolder, 'admin.sock'),
    'recordings',
    ...args,
  ]);

async function listed(host: Host): Promise<readonly Shown[]> {
  const result = await recordings(host, 'ls');
  return (JSON.parse(result.stdout.toString()) as { recordings: Shown[] }).recordings;
}

const cast = async (host: Host, id: string): Promise<string> => {
  const result = await recordings(host, 'export', id);
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
};

/** What the terminal has shown, and what was typed. */
const textIn = (file: string, kind = 'o'): string =>
  file
    .split('\n')
    .slice(1, -1)
    .map((line) => JSON.parse(line) as [number, string, string])
    .filter(([, code]) => code === kind)
    .map(([, , text]) => text)
    .join('');

async function newest(host: Host, before: readonly Shown[]): Promise<Shown> {
  const isNew = (one: { id: string }): boolean => before.every(({ id }) => id !== one.id);
  await waitUntil(() => filesOf(host).some(({ id, size }) => isNew({ id }) && size > 0), 'a recording');
  const found = (await listed(host)).find(isNew);
  if (found === undefined) throw new Error('it is not listed');
  return found;
}

function filesOf({ auditFolder }: Host): { id: string; size: number }[] {
  const folder = join(auditFolder, 'recordings');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
    const id = /Z-(\w+)\.cast\.zst$/.exec(name)?.[1];
    const status = statSync(join(folder, name), { throwIfNoEntry: false });
    return id === undefined || status === undefined ? [] : [{ id, size: status.size }];
  });
}

/** When its keeper has gone, all is there. */
async function whole(host: Host & { readonly cgroup: string }, id: string): Promise<string> {
  await waitUntil(() => keepersOf(host.cgroup).length === 0, 'the end of keepers');
  return await cast(host, id);
}

describe.skipIf(control)('a recorded session', () => {
  it.each(['shell', 'force'] as const)('is told, and is all there (%s)', async (mode) => {
    const login = world().login(mode);
    const { host, user } = login;
    const before = await listed(host);
    await using shell = login.terminal(undefined, { columns: 90, rows: 30 });
    await shell.expect(/This session is recorded\.\r*\n/);
    await shell.prompt();
    await shell.command('seq 100000 | tail -n 20000; echo "ä€😀"');
    const { id, endedAt, path } = await newest(host, before);
    expect(endedAt).toBeNull();
    expect([statSync(path).mode & 0o777, statSync(path).uid]).toEqual([0o600, 0]);
    shell.send('exit\r');
    await shell.exited();
    const file = await whole(host, id);
    expect(JSON.parse(file.split('\n')[0] ?? '')).toMatchObject({
      ...{ version: 2, width: 90, height: 30 },
      title: expect.stringContaining(`${user.name} on `),
    });
    const text = textIn(file);
    const numbers = [...text.matchAll(/(\d+)\r\n/g)].map(([, number]) => Number(number));
    expect(numbers.filter((number) => number > 80_000 && number <= 100_000)).toEqual(
      Array.from({ length: 20_000 }, (_, index) => 80_001 + index),
    );
    expect(text).toContain('ä€😀');
    expect(text).toContain('This session is recorded.');
    const audit = (await readFile(join(host.auditFolder, 'audit.jsonl'), 'utf8')).split('\n');
    const line = audit.find((one) => one.includes(`"session":"${id}"`) && one.includes('"event":"login"'));
    expect(path.endsWith((JSON.parse(line ?? '{}') as { recording: string }).recording)).toBe(true);
  });

  it('is played by asciinema, and by dockershctl without what acts on a terminal', async () => {
    const login = world().login('shell');
    const { host } = login;
    const before = await listed(host);
    await using shell = login.terminal();
    await shell.prompt();
    await shell.command(`printf '\\033]52;c;QQ==\\007%s\\033[6n\\n' 'sh''own'`);
    shell.send('exit\r');
    await shell.exited();
    const { id } = await newest(host, before);
    await whole(host, id);
    const file = join(host.runFolder, `${id}.cast`);
    expect((await recordings(host, 'export', id, file)).code).toBe(0);
    // It wants a terminal.
    const played = execFileSync('script', [
      '-qec',
      `asciinema play -s 1000 '${file}'`,
      '/dev/null',
    ]).toString();
    expect(played).toContain('\x1b]52;c;QQ==\x07shown\x1b[6n');
    const ctl = [ctlBundle, '--socket', join(host.runFolder, 'admin.sock'), 'recordings', 'play', id];
    const ours = await runOk(nodeProgram, [...ctl, '--speed', '1000']);
    expect(ours).toContain('shown');
    expect(ours).not.toContain('\x1b]52');
    expect(ours).not.toContain('\x1b[6n');
    expect(await runOk(nodeProgram, [...ctl, '--speed', '1000', '--raw'])).toContain('\x1b]52;c;QQ==\x07');
  });

  it('is no other: what has no terminal is as it was', async () => {
    const login = world().login('shell');
    const { host } = login;
    const before = await listed(host);
    const result = await login.ssh('head -c 100000 /dev/zero; cat', { input: 'in' });
    expect([result.code, result.stdout.length]).toEqual([0, 100_002]);
    expect(result.stderr.toString()).not.toContain('recorded');
    expect(await listed(host)).toHaveLength(before.length);
  });

  it('goes on when its keeper and the daemon are killed', async () => {
    const login = world().login('shell');
    const { host } = login;
    const before = await listed(host);
    await using shell = login.terminal();
    await shell.prompt();
    for (let round = 0; round < 5; round += 1) {
      await shell.command(`echo round-${round}`);
      await new Promise((resolve) => setTimeout(resolve, 1200));
      for (const pid of keepersOf(host.cgroup)) process.kill(pid, 'SIGKILL');
    }
    await host.killDaemon();
    await host.startDaemon();
    await shell.command('echo after all');
    shell.send('exit\r');
    await shell.exited();
    const { id } = await newest(host, before);
    const text = textIn(await whole(host, id));
    for (let round = 0; round < 5; round += 1) expect(text).toContain(`\nround-${round}\r\n`);
    expect(text).toContain('\nafter all\r\n');
  });

  it('has what is typed where the policy says so, but no password', async () => {
    const login = world().login('shell');
    const { host } = login;
    const before = await listed(host);
    await host.setPolicy({ defaults: { ...recorded, record_input: 'yes', record_format: 'asciicast-3' } });
    await using shell = login.terminal();
    await shell.prompt();
    await shell.command('echo typed-words');
    shell.send('read -rs -p "Pass""word: " x\r');
    await shell.expect(/Password: /);
    shell.send('s3cret-word\r');
    await shell.expect(/dsh->/);
    shell.send('exit\r');
    await shell.exited();
    await host.setPolicy({ defaults: recorded });
    const { id } = await newest(host, before);
    const file = await whole(host, id);
    expect(textIn(file, 'i')).toContain('typed-words');
    expect(file).not.toContain('s3cret');
    expect((await recordings(host, 'rm', id, '--yes')).code).toBe(0);
    expect((await listed(host)).some((one) => one.id === id)).toBe(false);
  });

  it('ends, or goes on without, when its recording is as large as it may be', async () => {
    const login = world().login('shell');
    const { host } = login;
    await host.setPolicy({ defaults: { ...recorded, record_size: '64K', record: 'required' } });
    await using strict = login.terminal();
    await strict.prompt();
    strict.send('head -c 20M /dev/urandom | base64\r');
    await strict.expect(/can't be recorded any more: it ends\./);
    await strict.exited();
    await host.setPolicy({ defaults: { ...recorded, record_size: '64K' } });
    await using lax = login.terminal();
    await lax.prompt();
    lax.send('head -c 2M /dev/urandom | base64 -w 0 | tr -d a-z; echo\r');
    await lax.expect(/not recorded any more: there is no room for it\./);
    await lax.expect(/dsh->/);
    expect((await lax.command('echo still here')).output).toBe('still here\n');
    await host.setPolicy({ defaults: recorded });
  });

  it('is refused at a terminal, and nowhere else, where there is no room', async () => {
    const login = world().login('shell');
    const { host } = login;
    await host.setPolicy({
      defaults: { ...recorded, record: 'required', record_total: '1M', record_size: '1M' },
    });
    const folder = join(host.auditFolder, 'recordings', `${login.user.uid}-${login.user.name}`);
    await runOk('dd', [
      'if=/dev/zero',
      `of=${join(folder, '20200101T000000Z-old.cast.zst')}`,
      'bs=1M',
      'count=1',
    ]);
    await host.killDaemon();
    await host.startDaemon();
    expect((await login.ssh('echo fine')).stdout.toString()).toBe('fine\n');
    await using refused = login.terminal();
    await refused.expect(/at present there is no room/);
    expect((await refused.exited()).code).toBe(125);
    await host.setPolicy({ defaults: { ...recorded, record_total: '1M', record_size: '1M' } });
    await using lax = login.terminal();
    await lax.expect(/This session is not recorded: there is no room for it\./);
    await lax.prompt();
    expect((await recordings(host, 'rm', 'old', '--yes')).code).toBe(0);
    await host.setPolicy({ defaults: recorded });
  });

  it('can neither be reached nor ended from inside', async () => {
    const login = world().login('shell');
    await using shell = login.terminal();
    await shell.prompt();
    const { output } = await shell.command(
      `ls /var/log/dockersh 2>&1 | grep -c recordings; ps -e | grep -c keeper; kill -9 -1 2>/dev/null; echo alive`,
    );
    expect(output).toBe('0\n0\nalive\n');
    const [keeper] = keepersOf(login.host.cgroup);
    expect(keeper).toBeDefined();
    expect(existsSync(`/proc/${keeper}`)).toBe(true);
  });
});

/** Of one daemon's sandboxes. */
function keepersOf(cgroup: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const own =
          readFileSync(`/proc/${pid}/comm`, 'latin1') + readFileSync(`/proc/${pid}/cgroup`, 'latin1');
        return own.startsWith('dockersh-keeper') && own.includes(cgroup);
      } catch {
        return false;
      }
    });
}

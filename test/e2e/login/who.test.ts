// The books of who is logged in: inside, they name the user's own terminal sessions while these last, and nobody else's.

import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import type { Terminal } from '../../fixtures/terminal.ts';
import { modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  module: true,
  policy: { defaults: { image: 'host', linger: '1h', background: 'keep' } },
});

async function output(login: Login, command: string): Promise<string> {
  const result = await login.ssh(command);
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

/** Lines of who(1), and the files that newer systems' who reads instead. */
const who = async (login: Login): Promise<string[]> =>
  (await output(login, 'LC_ALL=C who')).split('\n').filter((line) => line !== '');
const files = async (login: Login): Promise<string[]> =>
  (await output(login, 'cd /run/systemd/sessions && grep -h ^TTY= * || :'))
    .split('\n')
    .filter((line) => line !== '');

async function open(login: Login): Promise<{ shell: Terminal; line: string }> {
  const shell = login.terminal();
  await shell.prompt();
  const { output: tty } = await shell.command('tty');
  return { shell, line: tty.trim().slice('/dev/'.length) };
}

async function gone(login: Login, line: string): Promise<void> {
  const shown = async () => (await who(login)).some((each) => each.split(/\s+/)[1] === line);
  await waitUntil(async () => !(await shown()), `${line} to be gone`, 20_000);
  await waitUntil(async () => !(await files(login)).includes(`TTY=${line}`), 'its file to be gone', 20_000);
}

describe.skipIf(control)('who, inside', () => {
  it.each(modes)('names the user’s own terminals, with where from, and no others, as %s', async (mode) => {
    const login = world().login(mode);
    const other = await world().addLogin(mode);
    expect(await who(login)).toEqual([]);
    await using _others = (await open(other)).shell;
    const one = await open(login);
    const two = await open(login);
    await using _one = one.shell;
    await using _two = two.shell;
    const lines = await who(login);
    expect(lines).toHaveLength(2);
    for (const { line } of [one, two])
      expect(lines.join('\n')).toMatch(
        new RegExp(`^${login.user.name} +${line} +\\S.* \\d\\d:\\d\\d \\(127\\.0\\.0\\.1\\)$`, 'm'),
      );
    expect((await files(login)).sort()).toEqual([`TTY=${one.line}`, `TTY=${two.line}`].sort());
    const me = await one.shell.command('LC_ALL=C who -m; users; w -h | grep -c 127.0.0.1');
    expect(me.output).toMatch(
      new RegExp(`^${login.user.name} +${one.line} .*\\n${login.user.name} ${login.user.name}\\n2\\n$`),
    );
    // From one of the user's terminals to the other.
    await one.shell.command('echo from the first | wall');
    await two.shell.expect(/from the first/);
    one.shell.send('exit\r');
    await one.shell.exited();
    await gone(login, one.line);
    expect(await who(login)).toHaveLength(1);
  });

  it('forgets a session that is killed, and one whose client is', async () => {
    const login = world().login('shell');
    const killed = await open(login);
    const cut = await open(login);
    await using _killed = killed.shell;
    await using _cut = cut.shell;
    killed.shell.send('kill -KILL $$\r');
    await killed.shell.exited();
    await gone(login, killed.line);
    cut.shell.pty.kill('SIGKILL');
    await gone(login, cut.line);
  });

  it('is the user’s own to write, and a session comes however it looks', async () => {
    const login = world().login('shell');
    const { uid } = login.user;
    expect(await output(login, 'stat -c "%u %s %a" /run/utmp; stat -c %u /run/systemd/sessions')).toBe(
      `${uid} ${256 * 384} 644\n${uid}\n`,
    );
    await output(login, 'head -c 100 /dev/urandom >/run/utmp; rm -rf /run/systemd/sessions/*');
    const { shell, line } = await open(login);
    await using _shell = shell;
    await waitUntil(async () => (await files(login)).includes(`TTY=${line}`), 'its file');
    await output(login, ': >/run/utmp; mkdir -p /run/systemd/sessions/.1 /run/systemd/sessions/.2/x');
    await using again = (await open(login)).shell;
    expect((await again.command('echo here')).output).toBe('here\n');
    await output(login, 'rm -rf /run/systemd/sessions/.[0-9]*');
  });
});

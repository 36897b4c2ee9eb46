// Sessions that go on when their connection ends, and the ways back to them, by the real ssh.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { pidsOfCommand } from '../../fixtures/leaks.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { uniqueSleep } from '../../fixtures/shell-text.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });
const keeping = { image: 'host', on_hangup: 'keep', stop_grace: '1s', hangup_grace: '1s' };

async function userWith(settings: PolicySection = {}): Promise<Login> {
  const login = await world().addLogin('shell', {});
  await world().host.setPolicy({ defaults: keeping, users: { [login.user.name]: settings } });
  return login;
}

interface Kept {
  readonly number: number;
  readonly leftAt: string | null;
}

async function keptOf(login: Login): Promise<Kept[]> {
  const result = await login.ssh('@sessions --json');
  expect(result.code, describeFinished(result)).toBe(0);
  return (JSON.parse(result.stdout.toString()) as { kept: Kept[] }).kept;
}

const left = async (login: Login, count = 1): Promise<void> =>
  await waitUntil(
    async () => (await keptOf(login)).filter(({ leftAt }) => leftAt !== null).length === count,
    `${count} sessions to be left`,
  );

const lastClosed = (login: Login) =>
  world()
    .host.logRecords()
    .filter(
      ({ event, user, cause }) => event === 'session-closed' && user === login.user.name && cause !== 'exit',
    )
    .at(-1);

/** Processes that the kernel knows by this name, in the cgroup of the user's sandbox. */
function keepersOf({ user }: Login): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const isOne = readFileSync(`/proc/${pid}/comm`, 'utf8') === 'dockersh-keeper\n';
        return isOne && readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(user.name);
      } catch {
        return false; // it has ended
      }
    })
    .map(Number);
}

/** Somebody at a shell whose connection is cut. */
async function leave(login: Login, line: string): Promise<void> {
  await using terminal = login.terminal();
  await terminal.prompt();
  await terminal.command(line);
  terminal.pty.kill('SIGKILL');
}

describe.skipIf(control)('a kept session', () => {
  it('goes on when its connection is cut, and is the same when it is attached to', async () => {
    const login = await userWith();
    await leave(login, 'kept=here-$$');
    await left(login);
    await using back = login.terminal('@attach');
    await back.shownAnew();
    expect((await back.command('echo $kept is $$')).output).toMatch(/^here-(\d+) is \1\n$/);
    back.send('exit 7\r');
    expect(await back.exited()).toMatchObject({ code: 7 });
    expect(await keptOf(login)).toEqual([]);
  });

  it('is gone back to by a plain login, where its user says yes, or the policy', async () => {
    const login = await userWith();
    await leave(login, 'kept=asked');
    await left(login);
    await using asked = login.terminal(undefined, { ssh: [] });
    await asked.expect(/Go back to it\? \[Y\/n\] /);
    asked.send('\r');
    await asked.shownAnew();
    expect((await asked.command('echo $kept')).output).toBe('asked\n');
    asked.pty.kill('SIGKILL');
    await left(login);
    await using other = login.terminal(undefined, { ssh: [] });
    await other.expect(/Go back to it\? \[Y\/n\] /);
    other.send('n\r');
    await other.prompt();
    expect((await other.command('echo "<$kept>"')).output).toBe('<>\n');
    await world().host.setPolicy({ defaults: { ...keeping, reattach: 'yes' } });
    await using at = login.terminal(undefined, { ssh: [] });
    await at.shownAnew();
    expect((await at.command('echo $kept')).output).toBe('asked\n');
  });

  it('is seen by several at a time, in the smallest of their windows, and by one who only looks', async () => {
    const login = await userWith();
    await using first = login.terminal(undefined, { columns: 100, rows: 40 });
    await first.prompt();
    expect((await first.command('stty size')).output).toBe('40 100\n');
    await using second = login.terminal('@attach', { columns: 90, rows: 50 });
    await waitUntil(
      async () => (await first.command('stty size')).output === '40 90\n',
      'the smaller window',
    );
    second.send('echo "typed"-by-the-other\r');
    await first.expect(/typed-by-the-other/);
    await second.expect(/typed-by-the-other/);
    await using peek = login.terminal('@attach peek', { columns: 20, rows: 5 });
    await waitUntil(() => /dsh->/.test(peek.text), 'what a look shows');
    peek.send('echo "typed"-by-a-look\r');
    await first.command('echo shown');
    await waitUntil(async () => (await first.command('stty size')).output === '40 90\n', 'the same window');
    await peek.expect(/shown/);
    expect(first.text).not.toMatch(/typed-by-a-look/);
    second.pty.kill('SIGKILL');
    await waitUntil(
      async () => (await first.command('stty size')).output === '40 100\n',
      'the larger window',
    );
    first.send('exit 5\r');
    expect(await first.exited()).toMatchObject({ code: 5 });
    expect(await peek.exited()).toMatchObject({ code: 5 });
  });

  it('is left by a word from another connection, and says how to come back', async () => {
    const login = await userWith();
    await using terminal = login.terminal();
    await terminal.prompt();
    const detached = await login.ssh('@detach');
    expect(detached.stdout.toString(), describeFinished(detached)).toMatch(/^Detached: \d+\.\n$/);
    await terminal.expect(/Detached\. Session \d+ goes on: ssh -t HOST @attach \d+\./);
    expect(await terminal.exited()).toMatchObject({ code: 0 });
    await left(login);
    const without = await login.ssh('@attach');
    expect(without.code).toBe(125);
    expect(without.stderr.toString()).toMatch(/no terminal .* Add -t/);
    expect((await login.ssh('@attach 77')).stderr.toString()).toMatch(/No session 77/);
  });

  it('that ends while nobody is at it is told of at the next login', async () => {
    const login = await userWith({ reattach: 'no' });
    await leave(login, '{ (sleep 3; kill -9 $$) & }');
    await left(login);
    await waitUntil(() => lastClosed(login)?.['cause'] === 'signal', 'its end');
    await using next = login.terminal(undefined, { ssh: [] });
    await next.expect(/A session that you had left ended on .*: its program was killed\./);
  });

  it("is nobody else's", async () => {
    const login = await userWith();
    await leave(login, 'true');
    await left(login);
    const [session] = await keptOf(login);
    const other = await world().addLogin('shell', {});
    await using attempt = other.terminal(`@attach ${session?.number}`);
    await attempt.expect(/No session \d+ of yours is kept/);
    expect(await keptOf(other)).toEqual([]);
  });

  it('shows all that there was before its end, however much', async () => {
    const login = await userWith();
    await using terminal = login.terminal('stty -opost; seq 1 300000; exit 3');
    expect(await terminal.exited(120_000)).toMatchObject({ code: 3 });
    const lines = terminal.text.split('\n');
    expect(lines.length).toBeGreaterThan(299_999);
    expect(lines.slice(0, 300_000).map((line) => line.trim())).toEqual(
      Array.from({ length: 300_000 }, (_, index) => String(index + 1)),
    );
  });

  it('of a user who nests has a keeper that they move nowhere, and goes on after its death', async () => {
    const login = await userWith({ nesting: 'yes' });
    await using terminal = login.terminal();
    await terminal.prompt();
    await waitUntil(() => keepersOf(login).length === 1, 'its keeper');
    const [keeper = 0] = keepersOf(login);
    const groups = 'find /sys/fs/cgroup -name cgroup.procs 2>/dev/null';
    const move = `for group in $(${groups}); do { echo ${keeper} >$group; } 2>/dev/null && echo $group; done; true`;
    expect((await login.ssh(move)).stdout.toString()).toBe('');
    process.kill(keeper, 'SIGKILL');
    await waitUntil(() => keepersOf(login).some((pid) => pid !== keeper), 'another keeper');
    terminal.send('echo "after"-its-death\r');
    await terminal.expect(/after-its-death/);
    terminal.send('exit 7\r');
    expect(await terminal.exited()).toMatchObject({ code: 7 });
    await waitUntil(() => keepersOf(login).length === 0, 'the end of its keeper');
  });

  it('goes on with another keeper where its own is killed', async () => {
    const login = await userWith();
    await using terminal = login.terminal();
    await terminal.prompt();
    // With cgroups of version 1 it is moved to its sandbox's group while the shell begins.
    await waitUntil(() => keepersOf(login).length === 1, 'its keeper');
    const before = keepersOf(login);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    await waitUntil(() => keepersOf(login).some((pid) => !before.includes(pid)), 'another keeper');
    await waitUntil(async () => (await terminal.command('stty size')).output === '24 80\n', 'the window');
    expect((await terminal.command('echo still')).output).toBe('still\n');
    terminal.send('exit 9\r');
    expect(await terminal.exited()).toMatchObject({ code: 9 });
  });
});

describe.skipIf(control)('how it stands to other settings', () => {
  it('keep_for ends it, and "@keep" before that', async () => {
    const login = await userWith({ keep_for: '1h' });
    await leave(login, 'true');
    await left(login);
    expect((await login.ssh('@keep 2h')).stderr.toString()).toMatch(/1h at most/);
    expect((await login.ssh('@keep 1s')).code).toBe(0);
    await waitUntil(async () => (await keptOf(login)).length === 0, 'its end');
    expect(lastClosed(login)).toMatchObject({ cause: 'keep-for', signal: 1 });
  });

  it('kept_sessions ends the one that was left first', async () => {
    const login = await userWith({ kept_sessions: 1, reattach: 'no' });
    await leave(login, 'one=1');
    await left(login);
    const [one] = await keptOf(login);
    await leave(login, 'two=2');
    await waitUntil(
      async () => (await keptOf(login)).every(({ number }) => number !== one?.number),
      'the end of one',
    );
    await left(login);
    expect(lastClosed(login)).toMatchObject({ cause: 'kept-sessions' });
  });

  it('sessions counts it, and not who attaches', async () => {
    const login = await userWith({ sessions: 1, reattach: 'no' });
    await leave(login, 'true');
    await left(login);
    expect((await login.ssh('true')).stderr.toString()).toMatch(/1 at a time/);
    await using back = login.terminal('@attach');
    await back.shownAnew();
    expect((await back.command('echo back')).output).toBe('back\n');
  });

  it('linger begins when it has ended; idle_time and session_time go on', async () => {
    const login = await userWith({ linger: '1s', session_time: '8s' });
    await leave(login, 'true');
    await left(login);
    await sleep(3_000);
    expect(await keptOf(login)).toHaveLength(1);
    await waitUntil(() => lastClosed(login)?.['cause'] === 'session-time', 'session_time');
    const still = await userWith({ idle_time: '10s' });
    await leave(still, 'true');
    await waitUntil(() => lastClosed(still)?.['cause'] === 'idle-time', 'idle_time', 90_000);
  });

  it('background is about what it leaves behind at its end', async () => {
    const login = await userWith({ background: 'kill' });
    const marker = uniqueSleep();
    await leave(login, `(nohup ${marker} >/dev/null 2>&1 &)`);
    await left(login);
    await sleep(2_500);
    expect(pidsOfCommand(marker)).not.toEqual([]);
    await login.ssh('@keep 1s');
    await waitUntil(() => pidsOfCommand(marker).length === 0, 'its end');
  });

  it('a stop ends it, and a restart of dockershd does not', async () => {
    const login = await userWith();
    await leave(login, 'kept=over');
    await left(login);
    await world().host.killDaemon();
    await world().host.startDaemon();
    await left(login);
    await using back = login.terminal('@attach');
    await back.shownAnew();
    expect((await back.command('echo $kept')).output).toBe('over\n');
    back.pty.kill('SIGKILL');
    await left(login);
    await world().host.ctlOk('stop', login.user.name);
    expect(await keptOf(login)).toEqual([]);
    expect(lastClosed(login)).toMatchObject({ cause: 'stopped' });
  });
});

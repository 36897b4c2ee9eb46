// Signals to a session, and what is left of it when its client goes away.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pidsOfCommand } from '../../fixtures/leaks.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import { describeFinished, Running, waitUntil } from '../../fixtures/process.ts';
import { uniqueSleep } from '../../fixtures/shell-text.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';

const timing = { hangup_grace: '1s', linger: '10m' };
const world = useWorld({
  modes: everyMode,
  policy: { defaults: { image: 'host', background: 'kill', ...timing } },
});

async function runs(command: string): Promise<void> {
  await waitUntil(() => pidsOfCommand(command).length > 0, `${command} to run`);
}

async function ends(command: string): Promise<void> {
  await waitUntil(() => pidsOfCommand(command).length === 0, `${command} to end`);
}

describe('signals sent by the client', () => {
  // sshd refuses signal requests for forced commands.
  it.each(['TERM', 'INT', 'HUP', 'USR1', 'USR2'])('SIG%s reaches the command', async (signal) => {
    await using connection = await world().login('shell').ssh2();
    const command = await connection.start(
      `trap 'echo got ${signal}; exit 7' ${signal}; echo ready; while :; do sleep 0.1; done`,
    );
    await command.waitForOutput('ready');
    command.signal(signal);
    const result = await command.finished();
    expect(result.stdout.toString()).toBe(`ready\ngot ${signal}\n`);
    expect(result.code).toBe(7);
  });

  it.skipIf(control || lacks('strace'))(
    'one that comes before the client knows that the session runs reaches it',
    async () => {
      const { host, user } = world().login('shell');
      const slow = ['-e', 'trace=recvmsg', '-e', 'inject=recvmsg:delay_exit=500000']; // µs, after each reading
      const script = `trap 'echo got TERM; exit 7' TERM; echo ready; while :; do sleep 0.1; done`;
      await using tracer = new Running('strace', [...slow, '-u', user.name, host.client, '-c', script], {
        cwd: user.home,
        env: world().login('shell').environment(),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      await tracer.waitForOutput('ready');
      const [client] = readFileSync(`/proc/${tracer.pid}/task/${tracer.pid}/children`, 'utf8').split(' ');
      process.kill(Number(client), 'SIGTERM');
      const result = await tracer.finished();
      expect(result.stdout.toString(), describeFinished(result)).toBe('ready\ngot TERM\n');
      expect(result.code).toBe(7);
    },
  );

  it.skipIf(control).each(['SIGSTOP', 'SIGKILL'] as const)(
    'one ends a login that waits for a daemon after %s',
    async (end) => {
      const { host, user } = world().login('shell');
      if (end === 'SIGSTOP') process.kill(host.daemonPid, 'SIGSTOP');
      else await host.killDaemon();
      await using client = new Running(host.client, ['-c', 'echo ran'], {
        ...{ uid: user.uid, gid: user.gid, cwd: '/' },
        stdio: 'ignore', // a pipe would be kept open by the daemon's queue
      });
      const heldSignals = (): string =>
        /^SigBlk:\s+(\w+)$/m.exec(readFileSync(`/proc/${client.pid}/status`, 'utf8'))?.[1] ?? '';
      if (end === 'SIGSTOP') await waitUntil(() => /[^0]/.test(heldSignals()), 'the login to be sent');
      client.kill('SIGTERM');
      const { code, signal } = await client.finished(5_000);
      if (end === 'SIGSTOP') process.kill(host.daemonPid, 'SIGCONT');
      else await host.startDaemon();
      expect([code, signal]).toEqual([null, 'SIGTERM']);
      expect((await world().login('shell').ssh('exit 3')).code).toBe(3);
    },
  );

  it('SIGTERM ends a command that does not handle it', async () => {
    await using connection = await world().login('shell').ssh2();
    const command = await connection.start('echo ready; exec sleep 1000');
    await command.waitForOutput('ready');
    command.signal('TERM');
    expect(await command.finished()).toMatchObject({ code: null, signal: 'TERM' });
  });
});

describe.each(everyMode)('a client that is killed, as %s', (mode) => {
  it('ends the program on a terminal', async () => {
    const sleep = uniqueSleep();
    await using client = world().login(mode).terminal(sleep);
    await runs(sleep);
    client.pty.kill('SIGKILL');
    await ends(sleep);
  });

  it('hangs up an interactive shell and its jobs', async () => {
    const [foreground, background] = [uniqueSleep(), uniqueSleep()];
    await using client = world().login(mode).terminal(undefined, { ssh: [] });
    await client.prompt();
    client.send(`${background} & ${foreground}\r`);
    await runs(foreground);
    await runs(background);
    client.pty.kill('SIGKILL');
    await ends(foreground);
    await ends(background);
  });

  it('hangs up gently first', async () => {
    const login = world().login(mode);
    const note = `hung-up-${mode}`;
    await using client = login.terminal(
      `trap 'echo yes > ~/${note}; exit' HUP; echo RE""ADY; while :; do sleep 0.1; done`,
    );
    await client.expect(/READY/);
    client.pty.kill('SIGKILL');
    await waitUntil(async () => (await login.ssh(`cat ~/${note}`)).code === 0, 'the note');
  });

  it.skipIf(control)('ends a program without a terminal', async () => {
    const sleep = uniqueSleep();
    await using client = world().login(mode).start(`${sleep}; true`);
    await runs(sleep);
    client.kill('SIGKILL');
    await ends(sleep);
  });

  it.skipIf(control)('kills what ignores the hang-up, after the grace', async () => {
    const sleep = uniqueSleep();
    await using client = world().login(mode).terminal(`trap '' HUP TERM INT; ${sleep}; ${sleep}`);
    await runs(sleep);
    client.pty.kill('SIGKILL');
    await ends(sleep);
  });

  it.skipIf(control)('ends the session when the login client itself is killed', async () => {
    const sleep = uniqueSleep();
    const login = world().login(mode);
    await using ssh = login.start(`exec ${sleep}`);
    await runs(sleep);
    const sessions = (await login.host.sandboxOf(login.user))?.sessions ?? [];
    expect(sessions.length).toBeGreaterThan(0);
    for (const pid of pidsOfLoginClients(login.user.uid)) process.kill(pid, 'SIGKILL');
    await ssh.finished();
    await ends(sleep);
  });
});

describe.skipIf(control)('work left in the background by a session that ended', () => {
  it.each([
    ['kill', 0],
    ['keep', 1],
  ])('background = %s', async (background, expected) => {
    const login = await world().addLogin('shell');
    const policy = { image: 'host', background, ...timing };
    await login.host.setPolicy({ defaults: policy });
    const sleep = uniqueSleep();
    const result = await login.ssh(`setsid ${sleep} >/dev/null 2>&1 </dev/null & exit 3`);
    expect(result.code).toBe(3);
    if (expected === 0) await ends(sleep);
    // Seen from a later session: what is kept belongs to the sandbox, not to the session.
    const later = await login.ssh(`pgrep -cxf '${sleep}'`);
    expect(later.stdout.toString().trim()).toBe(String(expected));
  });

  it('a session ends although a background process holds its output open', async () => {
    const login = await world().addLogin('shell');
    await login.host.setPolicy({ defaults: { image: 'host', background: 'keep', ...timing } });
    const sleep = uniqueSleep();
    await using ssh = login.start(`${sleep} & echo started; exit 4`);
    await ssh.waitForOutput('started');
    // sshd waits for the end of the output, so it is the session that must be gone, not ssh.
    await waitUntil(
      async () => (await login.host.sandboxOf(login.user))?.sessions.length === 0,
      'the session to end',
    );
    expect(pidsOfCommand(sleep).length).toBe(1);
  });
});

function pidsOfLoginClients(uid: number): number[] {
  return world()
    .host.processes()
    .filter((entry) => entry.exe === 'dockersh' && entry.uid === uid)
    .map(({ pid }) => pid);
}

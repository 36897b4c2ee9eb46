// Users are told what becomes of their work: at log-out of what goes on, and at the next login of what has ended meanwhile.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { parentOf } from '../../fixtures/supervisor.ts';
import { modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: [] });

async function newUser(policy: PolicySection, mode: (typeof modes)[number] = 'shell'): Promise<Login> {
  const login = await world().addLogin(mode);
  await world().host.setPolicy({ defaults: { image: 'host', stop_grace: '1s', linger: '1h', ...policy } });
  return login;
}

/** All that somebody reads who logs in, types these lines and logs out. */
async function visit(login: Login, ...lines: string[]): Promise<string> {
  await using terminal = login.terminal();
  await terminal.prompt();
  for (const line of lines) await terminal.command(line);
  await terminal.command('sleep 0.5'); // what runs in the background has its name by then
  terminal.send('exit\r');
  await terminal.exited();
  return terminal.text.replaceAll('\r', '');
}

const gone = async (login: Login): Promise<void> =>
  await waitUntil(async () => (await login.host.sandboxOf(login.user)) === undefined, 'the sandbox to end');

/** Whether a program of this name runs inside. */
const runs = async (login: Login, name: string): Promise<boolean> =>
  (await login.ssh(`pgrep -x ${name} >/dev/null`)).code === 0;

describe.skipIf(control).each(modes)('by %s, who logs out', (mode) => {
  it('reads what goes on, and for how long', async () => {
    const login = await newUser({ linger: '10m' }, mode);
    expect(await visit(login, 'true')).not.toContain('in your sandbox');
    expect(await visit(login, '(nohup sleep 1000 >/dev/null 2>&1 &)', 'setsid -f tail -f /dev/null')).toMatch(
      /dockersh: 2 programs go on in your sandbox for 10m, unless you log in again before: (sleep, tail|tail, sleep)\.\n/,
    );
    expect(await runs(login, 'sleep')).toBe(true);
    // A program that reads our output is told nothing.
    const plain = await login.ssh('true');
    expect([plain.stdout.toString(), plain.stderr.toString()]).toEqual(['', '']);
    await login.host.ctl('stop', login.user.name);
  });
});

describe.skipIf(control)('who logs out', () => {
  it('reads that it stays for ever, or ends with the last session', async () => {
    const ever = await newUser({ linger: 'forever' });
    expect(await visit(ever, '(nohup sleep 1000 >/dev/null 2>&1 &)')).toContain(
      '1 program goes on in your sandbox, also when nobody is logged in: sleep.',
    );
    const never = await newUser({ linger: '0' });
    expect(await visit(never, '(nohup sleep 1000 >/dev/null 2>&1 &)')).toContain(
      '1 program that you leave behind is ended with your last session: sleep.',
    );
    await gone(never);
    expect(await visit(never, 'true')).not.toContain('ended');
  });

  it('reads that the policy ends it', async () => {
    const login = await newUser({ background: 'kill' });
    expect(await visit(login, '(nohup sleep 1000 >/dev/null 2>&1 &)')).toContain(
      '1 program that you leave behind is ended with your last session: sleep.',
    );
    await waitUntil(async () => !(await runs(login, 'sleep')), 'sleep to be ended');
  });

  it.skipIf(lacks('tmux') || lacks('screen'))(
    'finds tmux and screen again, or reads of their end',
    async () => {
      const login = await newUser({ linger: '3s' });
      const text = await visit(login, 'tmux new-session -d -s work', 'screen -d -m -S other sleep 1000');
      expect(text).toMatch(
        /programs go on in your sandbox for 3s, unless you log in again before: .*tmux: server/,
      );
      expect((await login.ssh('tmux list-sessions -F "#S"; screen -ls')).stdout.toString()).toMatch(
        /work\n[\s\S]*other/,
      );
      await gone(login);
      const next = await visit(login, 'true');
      expect(next).toMatch(
        /dockersh: Your sandbox ended on .*, without a session for 3s\. \d programs ended with it: .*tmux/,
      );
      expect((await login.ssh('tmux list-sessions')).code).not.toBe(0);
    },
  );

  it('is shown no name that acts on the terminal', async () => {
    const login = await newUser({});
    const script = `perl -e '$0="x"; open F, ">/proc/self/comm"; print F "\\e[31mred\\n"; close F; sleep 1000'`;
    const text = await visit(login, `(nohup ${script} >/dev/null 2>&1 &)`, 'sleep 1');
    expect(text).toContain('1 program goes on');
    expect(text).toContain(': ?[31mred?.');
  });
});

describe.skipIf(control)('the next login', () => {
  const leave = '(nohup sleep 1000 >/dev/null 2>&1 &)';

  it('says once what the end of the linger time has ended; @status goes on to', async () => {
    const login = await newUser({ linger: '1s' });
    await visit(login, leave);
    await gone(login);
    // Nobody reads it there, so that it is not told yet.
    expect((await login.ssh('true')).stderr.toString()).toBe('');
    await gone(login);
    const sentence = /Your sandbox ended on .*, without a session for 1s\. 1 program ended with it: sleep\./;
    expect(await visit(login)).toMatch(sentence);
    expect(await visit(login)).not.toMatch(sentence);
    expect((await login.ssh('@status')).stdout.toString()).toMatch(sentence);
    const json = JSON.parse((await login.ssh('@status --json')).stdout.toString()) as { ended: object[] };
    expect(json.ended).toMatchObject([{ cause: 'linger', work: { count: 1, names: ['sleep'] } }]);
  });

  it('says that the administrator has stopped it, and why', async () => {
    const login = await newUser({});
    await visit(login, leave);
    await login.host.ctlOk('stop', login.user.name, '--message', 'new disks');
    expect(await visit(login)).toMatch(
      /Your sandbox was stopped on .* \(“Your sandbox is being stopped by the administrator of this host: new disks”\)\. 1 program ended with it: sleep\./,
    );
  });

  it('says nothing where nothing was running', async () => {
    const login = await newUser({});
    await visit(login, 'true');
    await login.host.ctlOk('stop', login.user.name);
    expect(await visit(login)).not.toContain('was stopped');
  });

  it('says that the host was restarted, or that nobody saw the end', async () => {
    const login = await newUser({});
    const file = join(login.host.stateFolder, 'users', String(login.user.uid), 'notices.json');
    const lose = async (): Promise<void> => {
      await visit(login, leave);
      await waitUntil(
        async () => (await readFile(file, 'utf8')).includes('sleep'),
        'the daemon to know of it',
      );
      const supervisor = parentOf((await login.host.sandboxOf(login.user))?.initPid ?? 0);
      await login.host.killDaemon('SIGKILL');
      process.kill(supervisor, 'SIGKILL');
    };
    await lose();
    await login.host.startDaemon();
    expect(await visit(login)).toMatch(
      /ended while the login service was not running\. 1 program ended with it: sleep/,
    );
    await lose();
    const kept = JSON.parse(await readFile(file, 'utf8')) as { running: { boot: string } };
    kept.running.boot = '00000000-0000-0000-0000-000000000000';
    await writeFile(file, JSON.stringify(kept));
    await login.host.startDaemon();
    expect(await visit(login)).toMatch(
      /The host was restarted, and your sandbox ended with it\. 1 program ended/,
    );
  });
});

// Each key of the policy that bounds something, proven by going beyond the bound.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

const quick = { stop_grace: '1s', hangup_grace: '1s' };

async function userWith(settings: PolicySection, groups: readonly string[] = []): Promise<Login> {
  const login = await world().addLogin('shell', { groups });
  await world().host.setPolicy({
    defaults: { image: 'host', ...quick },
    users: { [login.user.name]: settings },
  });
  return login;
}

async function output(login: Login, command: string): Promise<string> {
  const result = await login.ssh(command);
  return result.stdout.toString() + result.stderr.toString();
}

describe.skipIf(control)('what a session starts with', () => {
  it('umask', async () => {
    const login = await userWith({ umask: '027' });
    expect(await output(login, 'umask; touch f; mkdir d; stat -c %a f d')).toBe('0027\n640\n750\n');
  });

  it('nice, which nobody inside can take back', async () => {
    const login = await userWith({ nice: 7 });
    const result = await login.ssh('nice; renice -n 0 $$ 2>/dev/null || echo refused; nice');
    expect(result.stdout.toString(), describeFinished(result)).toBe('7\nrefused\n7\n');
  });

  it('timezone and variables, as they are written', async () => {
    const login = await userWith({
      timezone: 'JST-9',
      'env.GREETING': '"; a # b $HOME `id` %u"',
      'env.LANG': 'C',
    });
    expect(await output(login, 'date +%z; printf "%s|%s\\n" "$GREETING" "$LANG"')).toBe(
      '+0900\n; a # b $HOME `id` %u|C\n',
    );
  });

  it('variables of the sandbox itself stay what they are', async () => {
    const login = await userWith({ 'env.XDG_RUNTIME_DIR': '/x', 'env.TERM': 'policy' });
    const { uid, name } = login.user;
    expect(await output(login, 'echo $XDG_RUNTIME_DIR $USER $TERM')).toBe(
      `/run/user/${uid} ${name} policy\n`,
    );
  });

  it('hostname', async () => {
    const login = await userWith({ hostname: '%u-box' });
    expect(await output(login, 'uname -n; cat /etc/hostname')).toBe(
      `${login.user.name}-box\n${login.user.name}-box\n`,
    );
  });

  it('a banner, where there is a terminal, and nowhere else', async () => {
    const login = await userWith({ banner: '"Welcome to %H,\\n%u: 100%%"' });
    const shown = await login.ssh('true', { options: ['-tt'] });
    expect(shown.stdout.toString()).toMatch(new RegExp(`^Welcome to .+,\r\n${login.user.name}: 100%\r\n$`));
    expect(await output(login, 'echo data')).toBe('data\n');
  });
});

describe.skipIf(control)('limits of a process', () => {
  it('open_files', async () => {
    const login = await userWith({ open_files: 40 });
    const open = `perl -e 'while (open(my $f, "<", "/dev/null")) { push @f, $f } print scalar(@f), " $!\\n"'`;
    const result = await login.ssh(`${open}; ulimit -n 41 2>/dev/null || echo refused`);
    expect(result.stdout.toString(), describeFinished(result)).toMatch(
      /^3\d Too many open files\nrefused\n$/,
    );
  });

  it('file_size', async () => {
    const login = await userWith({ file_size: '1M' });
    const result = await login.ssh('head -c 3000000 /dev/zero > big; echo $?; stat -c %s big');
    expect(result.stdout.toString(), describeFinished(result)).toBe('153\n1048576\n'); // SIGXFSZ
  });

  it('locked_memory', async () => {
    const login = await userWith({ locked_memory: '64K' });
    const lock = `perl -e '$m = "x" x 4e6; print syscall(149, $m, $ARGV[0] + 0) == 0 ? "locked\\n" : "refused\\n"'`;
    expect(await output(login, `${lock} 8192; ${lock} 2000000`)).toBe('locked\nrefused\n');
  });

  it('stack_size', async () => {
    const login = await userWith({ stack_size: '256K' });
    const deep = "bash -c 'f() { [ $1 -gt 4000 ] && exit 0; f $(($1 + 1)); }; f 0' 2>/dev/null";
    const result = await login.ssh(`ulimit -s; ${deep}; echo $?; ulimit -s 300 2>/dev/null || echo refused`);
    expect(result.stdout.toString(), describeFinished(result)).toBe('256\n139\nrefused\n');
    const other = await userWith({});
    expect(await output(other, `${deep}; echo $?`)).toBe('0\n');
  });

  it('process_time', async () => {
    const login = await userWith({ process_time: '1s' });
    const result = await login.ssh("bash -c 'while :; do :; done'; echo $?; echo after", {
      timeoutMs: 60_000,
    });
    expect(result.stdout.toString(), describeFinished(result)).toBe('137\nafter\n');
  });
});

describe.skipIf(control)('limits of the sandbox', () => {
  it('shm_size', async () => {
    const login = await userWith({ shm_size: '2M', tmp_size: '8M' });
    const result = await login.ssh(
      'head -c 3000000 /dev/zero > /dev/shm/x; stat -c %s /dev/shm/x; df -k /tmp | tail -1',
    );
    expect(result.stderr.toString()).toMatch(/No space left/);
    expect(result.stdout.toString()).toMatch(/^2097152\n.* 8192 /);
  });

  it('sessions', async () => {
    const login = await userWith({ sessions: 2 });
    const open = [login.start('echo in; sleep 1000'), login.start('echo in; sleep 1000')];
    try {
      for (const session of open) await session.waitForOutput('in');
      const refused = await login.ssh('echo third');
      expect(refused.code, describeFinished(refused)).toBe(125);
      expect(refused.stderr.toString()).toMatch(/as many sessions as you may have.*2 at a time/);
      expect(refused.stdout.toString()).toBe('');
      expect((await world().login('shell').ssh('exit 3')).code).toBe(3);
      open[0]?.kill('SIGTERM');
      await waitUntil(async () => (await login.ssh('exit 4')).code === 4, 'a place to be free');
    } finally {
      for (const session of open) await session[Symbol.asyncDispose]();
    }
  });

  it('login_rate', async () => {
    const login = await userWith({ login_rate: '3/1h' });
    const codes: (number | null)[] = [];
    for (let n = 0; n < 5; n++) codes.push((await login.ssh('true')).code);
    expect(codes).toEqual([0, 0, 0, 125, 125]);
    expect((await login.ssh('true')).stderr.toString()).toMatch(/Too many logins in a short time/);
    expect((await world().login('shell').ssh('exit 3')).code).toBe(3);
  });

  it('session_time', async () => {
    const login = await userWith({ session_time: '3s' });
    const started = Date.now();
    const result = await login.ssh('trap "" HUP; echo in; sleep 1000', { timeoutMs: 60_000 });
    expect(Date.now() - started).toBeLessThan(30_000);
    expect(Date.now() - started).toBeGreaterThan(2_500);
    expect(result.stderr.toString(), describeFinished(result)).toMatch(
      /session has lasted as long as it may/,
    );
    expect(result.code).not.toBe(0);
    // Also what does not listen to the hang-up is gone.
    await waitUntil(
      async () => !(await output(login, 'ps -e -o args')).includes('sleep 1000'),
      'its processes to end',
    );
  });

  it('idle_time: a still terminal ends, a busy one and a session without one do not', async () => {
    const login = await userWith({ idle_time: '10s' });
    await using busy = login.start('while :; do echo tick; sleep 2; done', ['-tt']);
    await using plain = login.start('echo in; sleep 1000');
    await plain.waitForOutput('in');
    const started = Date.now();
    const still = await login.ssh('echo in; sleep 1000', { options: ['-tt'], timeoutMs: 100_000 });
    const lasted = Date.now() - started;
    expect(still.stdout.toString() + still.stderr.toString(), describeFinished(still)).toMatch(/been still/);
    expect(lasted).toBeGreaterThan(9_500);
    expect(lasted).toBeLessThan(40_000);
    const hasCause = (): boolean =>
      world()
        .host.logRecords()
        .some(
          ({ event, user, cause }) =>
            event === 'session-closed' && user === login.user.name && cause === 'idle-time',
        );
    await waitUntil(hasCause, 'the record of its end');
    await sleep(Math.max(0, 30_000 - lasted));
    expect(busy.exited).toBe(false);
    expect(plain.exited).toBe(false);
  });
});

describe.skipIf(control)('maintenance', () => {
  it('keeps users out with its text, but not whoever is exempted, in a session, or root', async () => {
    const login = await userWith({});
    await using session = login.start('echo in; read line; echo "got $line"; exit 7');
    await session.waitForOutput('in');
    const admin = world().login('shell');
    await world().host.setPolicy({
      defaults: { image: 'host', ...quick, maintenance: 'back at noon' },
      users: { [admin.user.name]: { maintenance: 'none' } },
    });
    const refused = await login.ssh('echo in');
    expect(refused.code).toBe(125);
    expect(refused.stderr.toString()).toMatch(/closed for maintenance \(back at noon\)/);
    expect((await admin.ssh('exit 3')).code).toBe(3);
    session.process.stdin?.write('hello\n');
    expect((await session.finished()).code).toBe(7);
  });
});

describe.skipIf(control)('a setting that comes to nothing for a user', () => {
  it('refuses their login, names itself to the administrator, and stops nobody else', async () => {
    // Fits for a user of four letters, and is too long a name for ours.
    const login = await userWith({ image: `${'a'.repeat(251)}%u` });
    const refused = await login.ssh('true');
    expect(refused.code, describeFinished(refused)).toBe(125);
    expect(refused.stderr.toString()).toMatch(/E_POLICY_UNFIT/);
    const explained = await world().host.ctlOk('policy', 'explain', login.user.name);
    expect(explained).toMatchObject({
      refused: { code: 'E_POLICY_UNFIT', why: expect.stringContaining('image') },
    });
    expect((await world().login('shell').ssh('exit 3')).code).toBe(3);
  });
});

describe.skipIf(control)('groups of the name service', () => {
  it('give their members what their sections say, and nobody else', async () => {
    const member = await userWith({}, ['games']);
    const other = await userWith({});
    await world().host.setPolicy({
      defaults: { image: 'host', ...quick },
      groups: { 'gam*, no-such-group': { 'env.TEAM': 'games' }, [other.user.name]: { 'env.TEAM': 'own' } },
    });
    expect(await output(member, 'echo $TEAM')).toBe('games\n');
    expect(await output(other, 'echo $TEAM')).toBe('own\n');
    expect(await output(world().login('shell'), 'echo "<$TEAM>"')).toBe('<>\n');
  });
});

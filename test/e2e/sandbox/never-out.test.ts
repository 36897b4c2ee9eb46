// Logins outside of a sandbox: for root and exempt accounts, for nobody else; and maintenance for everybody else.

import { chmod, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { run, runOk } from '../../fixtures/process.ts';
import { modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld();

/** A namespace of the process that answers: the host's own is this one. */
const where = 'readlink /proc/self/ns/pid';
const outside = async (): Promise<string> => `${await readlink('/proc/self/ns/pid')}\n`;
const plain = { defaults: { image: 'host' } };

async function asRoot(args: readonly string[], env: Record<string, string> = {}) {
  const { host } = world();
  return await run(host.client, args, { cwd: '/', env: { HOME: '/root', PATH: '/usr/bin:/bin', ...env } });
}

describe.skipIf(control)('root', () => {
  it('gets a shell of the host, by login shell and by ForceCommand', async () => {
    expect((await asRoot(['-c', where])).stdout.toString()).toBe(await outside());
    const forced = await asRoot([], { SSH_ORIGINAL_COMMAND: `${where}; exit 3` });
    expect([forced.code, forced.stdout.toString()]).toEqual([3, await outside()]);
    const login = world().login('force');
    await login.sshd.authorize('root');
    const result = await login.ssh(`${where}; exit 4`, { options: ['-l', 'root'] });
    expect([result.code, result.stdout.toString()]).toEqual([4, await outside()]);
  });

  it('gets it at once, whatever has become of the daemon', async () => {
    const { host } = world();
    await host.killDaemon('SIGKILL');
    const started = performance.now();
    expect((await asRoot(['-c', 'exit 5'])).code).toBe(5);
    expect(performance.now() - started).toBeLessThan(5_000);
    // One that takes connections and never answers.
    const socket = join(host.runFolder, 'login.sock');
    await rm(socket, { force: true });
    await using silent = createServer();
    await new Promise<void>((resolve) => silent.listen(socket, resolve));
    expect((await asRoot(['-c', 'exit 6'])).code).toBe(6);
    silent.close();
    await rm(socket, { force: true });
    await host.startDaemon();
  });

  it('is nobody who only says so', async () => {
    const login = world().login('shell');
    const env = { ...login.environment(), USER: 'root', LOGNAME: 'root', HOME: '/root', SUDO_UID: '0' };
    const result = await login.direct(['-c', where], { env });
    expect(result.stdout.toString()).not.toBe(await outside());
  });
});

describe.skipIf(control).each(modes)('an exempt account, by %s,', (mode) => {
  it('gets its ordinary shell on the host, in each way that ssh has', async () => {
    const { host } = world();
    const login = world().login(mode);
    expect((await login.ssh(where)).stdout.toString()).not.toBe(await outside());
    await host.setPolicy({ ...plain, users: { [login.user.name]: { exempt: 'yes' } } });
    const result = await login.ssh(`${where}; echo "$0"; exit 7`);
    expect(result.code).toBe(7);
    expect(result.stdout.toString()).toBe(`${await outside()}bash\n`);
    const typed = await login.ssh(undefined, { input: `${where}; shopt -q login_shell && echo login\n` });
    expect(typed.stdout.toString()).toBe(`${await outside()}login\n`);
    const binary = await login.script(
      'head -c 100000 /dev/urandom >"$1"; $SSH $HOST cat <"$1" | cmp - "$1"',
      [join(host.folder, 'binary')],
    );
    expect(binary.code).toBe(0);
    await using terminal = login.terminal(`${where}; tty; stty size`);
    expect((await terminal.exited()).code).toBe(0);
    expect(terminal.text).toContain((await outside()).trim());
    const logged = host.logRecords().filter(({ event }) => event === 'login-outside');
    expect(logged.at(-1)).toMatchObject({ uid: login.user.uid });
    await host.setPolicy(plain);
    expect((await login.ssh(where)).stdout.toString()).not.toBe(await outside());
  });

  it('gets in without an image, and during maintenance', async () => {
    const { host } = world();
    const login = world().login(mode);
    await host.setPolicy({
      defaults: { maintenance: 'away' },
      users: { [login.user.name]: { exempt: 'yes' } },
    });
    expect((await login.ssh(where)).stdout.toString()).toBe(await outside());
    await host.setPolicy(plain);
  });
});

it.skipIf(control)('who is exempt does not get in while the daemon is down', async () => {
  const { host } = world();
  const logins = modes.map((mode) => world().login(mode));
  const exempt = logins.map((login) => [login.user.name, { exempt: 'yes' }]);
  await host.setPolicy({ ...plain, users: Object.fromEntries(exempt) });
  await host.killDaemon('SIGTERM');
  // At once: each waits for the daemon for as long as for one that is being restarted.
  const results = await Promise.all(logins.map(async (login) => await login.direct(['-c', 'echo ran'])));
  for (const result of results) expect([result.code, result.stdout.toString()]).toEqual([125, '']);
  await host.setPolicy(plain);
  await host.startDaemon();
});

it.skipIf(control)(
  'who is exempt is so by the last good policy, and by none where that is gone',
  async () => {
    const { host } = world();
    const login = world().login('shell');
    const users = { [login.user.name]: { exempt: 'yes' } };
    await host.setPolicy({ ...plain, users });
    expect((await login.ssh(where)).stdout.toString()).toBe(await outside());
    await host.killDaemon('SIGTERM');
    await host.setPolicy(`[defaults]\nimgae = host\n[user:${login.user.name}]\nexempt = yes\n`);
    await host.startDaemon();
    expect((await login.ssh(where)).stdout.toString()).toBe(await outside());
    await host.killDaemon('SIGTERM');
    await rm(join(host.stateFolder, 'last-good-policy.json'));
    await host.startDaemon();
    const refused = await login.ssh(where);
    expect([refused.code, refused.stdout.toString()]).toEqual([125, '']);
    expect(refused.stderr.toString()).toContain('E_POLICY_BROKEN');
    await host.setPolicy(plain);
    expect((await login.ssh('exit 8')).code).toBe(8);
  },
);

describe.skipIf(control)('nobody becomes exempt', () => {
  it.each([
    ['by arguments', ['--exempt', '-c', where], {}],
    ['by the name', ['-c', where], { SSH_ORIGINAL_COMMAND: where, EXEMPT: 'yes', DOCKERSH_EXEMPT: '1' }],
  ])('%s', async (_, args, env) => {
    const login = world().login('shell');
    const result = await login.direct(args, { env: { ...login.environment(), ...env } });
    expect(result.stdout.toString()).not.toContain((await outside()).trim());
  });

  it('by a daemon that is not root’s', async () => {
    // The client, with a run folder of the user's own: an attacker's best case, in which they own the socket.
    const { host } = world();
    const login = world().login('shell');
    const folder = join(host.folder, 'fake');
    await runOk('install', ['-d', '-o', String(login.user.uid), `${folder}/run`]);
    const make = ['-s', '-C', 'native', 'login', `RUN_DIR=${folder}/run`, `OUT=${folder}/bin`];
    await runOk('make', make, { timeoutMs: 120_000 });
    const fake = `import socket,struct,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); s.bind('${folder}/run/login.sock'); s.listen(); print('up',flush=True)
c,_=s.accept(); c.recv(1<<18)
shell=b'/bin/sh'
c.send(struct.pack('<IHHI',0x01485344,5,0,8+len(shell))+struct.pack('<II',21,len(shell))+shell); c.recv(1)`;
    await writeFile(join(folder, 'fake.py'), fake);
    await chmod(join(folder, 'fake.py'), 0o755);
    const { uid, gid } = login.user;
    const script = `python3 ${folder}/fake.py & sleep 1; ${folder}/bin/dockersh -c 'echo ran'; code=$?; kill %1; exit $code`;
    const result = await run('bash', ['-c', script], { uid, gid, env: login.environment() });
    expect(result.stderr.toString()).toContain('does not belong to root');
    expect([result.code, result.stdout.toString()]).toEqual([125, 'up\n']);
  });

  it('by root’s exec', async () => {
    const { host } = world();
    const login = world().login('shell');
    await host.setPolicy({ ...plain, users: { [login.user.name]: { exempt: 'yes' } } });
    const result = await run(join(host.folder, 'bin/dockersh-exec'), [
      login.user.name,
      '/bin/sh',
      '-c',
      where,
    ]);
    expect([result.code, result.stdout.toString()]).toEqual([125, '']);
    await host.setPolicy(plain);
  });
});

describe.skipIf(control)('maintenance', () => {
  it('refuses logins with the message, and leaves what runs alone', async () => {
    const { host } = world();
    const login = world().login('shell');
    await using session = login.start('echo up; cat');
    await session.waitForOutput('up');
    await host.ctlOk('maintenance', 'on', '--message', 'new disks; "back" at 12 # noon');
    const result = await login.ssh('echo ran');
    expect([result.code, result.stdout.toString()]).toEqual([125, '']);
    expect(result.stderr.toString()).toContain('new disks; "back" at 12 # noon');
    const exec = join(host.folder, 'bin/dockersh-exec');
    expect((await run(exec, [login.user.name, '/bin/sh', '-c', 'exit 3'])).code).toBe(3);
    session.process.stdin?.end('still here');
    expect((await session.finished()).stdout.toString()).toBe('up\nstill here');
    await host.ctlOk('maintenance', 'off');
    expect((await login.ssh('echo ran')).stdout.toString()).toBe('ran\n');
  });

  it('lasts over a restart, and may be for one group', async () => {
    const { host } = world();
    const [one, other] = [world().login('shell'), world().login('force')];
    await host.ctlOk('maintenance', 'on', '--for', one.user.name);
    await host.killDaemon('SIGKILL');
    await host.startDaemon();
    expect((await one.ssh('echo ran')).code).toBe(125);
    expect((await other.ssh('echo ran')).code).toBe(0);
    await host.ctlOk('maintenance', 'off');
    expect((await one.ssh('echo ran')).code).toBe(0);
  });

  it('says when a broken policy keeps it from being in force', async () => {
    const { host } = world();
    await host.setPolicy('[defaults]\nimage = host\nmemroy = 1G\n');
    const closed = await host.ctl('maintenance', 'on');
    expect([closed.code, closed.stderr.toString().includes('memroy')]).toEqual([78, true]);
    await host.setPolicy(plain);
    expect((await world().login('shell').ssh('true')).code).toBe(0);
  });

  it.each([
    ['a group that is not there', ['--for', 'dsh-nogroup'], 66],
    ['a pattern', ['--for', '*'], 64],
    ['a section of its own', ['--for', 'x]\n[defaults'], 64],
    ['two lines', ['--message', 'a\nexempt = yes'], 64],
    ['no message', ['--message', ' '], 64],
    ['"none"', ['--message', 'none'], 64],
  ])('is not for %s', async (_, args, code) => {
    const { host } = world();
    expect((await host.ctl('maintenance', 'on', ...args)).code).toBe(code);
    expect((await world().login('shell').ssh('true')).code).toBe(0);
  });
});

describe.skipIf(control)('the rescue image', () => {
  const busybox = { image: 'dsh-own', rescue: 'dsh-rescue' };

  it('is there when the own image is not, with the same home, and no longer than that', async () => {
    const { host } = world();
    const login = await world().addLogin('shell');
    const isBusybox = 'test -e /etc/debian_version || echo rescue';
    for (const name of ['dsh-own', 'dsh-rescue']) await host.ctlOk('image', 'bootstrap', 'busybox', name);
    await host.setPolicy({ defaults: { ...busybox, image: 'host' } });
    expect((await login.ssh(`echo precious >~/file; ${isBusybox}`)).stdout.toString()).toBe('');
    await host.ctlOk('stop', login.user.name);
    await host.setPolicy({ defaults: { ...busybox, image: 'dsh-missing' } });
    const rescued = await login.ssh(`${isBusybox}; cat ~/file; echo x >/tmp/x`);
    expect([rescued.stdout.toString(), rescued.stderr.toString()]).toEqual(['rescue\nprecious\n', '']);
    await using terminal = login.terminal();
    await terminal.expect(
      /RESCUE: this is not your usual system, which is not on this host\.[\s\S]*Ask the administrator/,
    );
    terminal.send('exit\r');
    await terminal.exited();
    expect((await host.sandboxOf(login.user))?.image).toBe('dsh-rescue');
    await host.ctlOk('stop', login.user.name);
    await host.setPolicy({ defaults: { image: 'dsh-missing', rescue: 'host' } });
    const file = join(host.folder, 'copied');
    const scp = await login.script('scp -q -F "$SSH_CONFIG" "$HOST:file" "$1" 2>&1', [file]);
    expect(scp.stdout.toString()).toBe('');
    expect(await readFile(file, 'utf8')).toBe('precious\n');
    await host.ctlOk('stop', login.user.name);
    await host.setPolicy({ defaults: { ...busybox, image: 'host' } });
    expect((await login.ssh(isBusybox)).stdout.toString()).toBe('');
    await host.ctlOk('stop', login.user.name);
    await host.setPolicy(plain);
  });

  it('is used where an administrator says so, and leaves the own layer alone', async () => {
    const { host } = world();
    const login = await world().addLogin('shell');
    await host.setPolicy({ defaults: busybox });
    // What a user with root inside, or a bad update, may do.
    const exec = join(host.folder, 'bin/dockersh-exec');
    await run(exec, [login.user.name, '/bin/sh', '-c', 'touch ~/mine']);
    const layer = join(host.stateFolder, 'users', String(login.user.uid), 'layer/upper');
    await host.ctlOk('stop', login.user.name);
    await runOk('bash', [
      '-c',
      'mkdir -p "$1/bin" && for n in sh bash; do printf broken >"$1/bin/$n"; done',
      '-',
      layer,
    ]);
    expect((await login.ssh('echo ran')).code).not.toBe(0);
    await host.ctlOk('user', 'rescue', login.user.name, 'on');
    expect((await login.ssh('echo ran; ls ~')).stdout.toString()).toBe('ran\nmine\n');
    await using terminal = login.terminal();
    await terminal.expect(/RESCUE: .* was taken out of use by an administrator/);
    terminal.send('exit\r');
    await terminal.exited();
    expect(await runOk('cat', [join(layer, 'bin/sh')])).toBe('broken');
    await runOk('rm', ['-r', join(layer, 'bin')]);
    expect(await host.ctlOk('user', 'rescue', login.user.name, 'off')).toMatchObject({ stopped: true });
    expect((await login.ssh('echo ran')).stdout.toString()).toBe('ran\n');
    await host.ctlOk('stop', login.user.name);
    await host.setPolicy(plain);
  });

  it('must be named, and be there', async () => {
    const { host } = world();
    const { user } = world().login('shell');
    expect((await host.ctl('user', 'rescue', user.name, 'on')).code).toBe(66);
    await host.setPolicy({ defaults: { image: 'host', rescue: 'dsh-missing' } });
    expect((await host.ctl('user', 'rescue', user.name, 'on')).code).toBe(66);
    await host.setPolicy({ defaults: { image: 'dsh-missing-too', rescue: 'dsh-missing' } });
    await host.ctlOk('stop', user.name);
    const refused = await world().login('shell').ssh('echo ran');
    expect(refused.stderr.toString()).toContain('E_IMAGE_MISSING');
    await host.setPolicy(plain);
  });
});

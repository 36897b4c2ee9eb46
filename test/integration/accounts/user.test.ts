// user enable, disable, ls and repair: everything or nothing, on real accounts.

import { existsSync } from 'node:fs';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { Running, run, runOk, waitUntil } from '../../fixtures/process.ts';
import type { TestUser } from '../../fixtures/users.ts';
import { AccountsHost } from './accounts-host.ts';

let it_: AccountsHost;
beforeAll(async () => {
  it_ = await AccountsHost.start();
});
afterAll(async () => {
  await it_[Symbol.asyncDispose]();
});

const shellOf = async (user: TestUser): Promise<string> =>
  (await runOk('getent', ['passwd', user.name])).trim().split(':').at(-1) ?? '';

describe('enabling', () => {
  it('copies the files, makes dockersh the login shell, and disabling takes it back', async () => {
    const user = await it_.user();
    const before = await it_.everythingOf(user);
    const enabled = await it_.ok('enable', user.name);
    expect(enabled).toMatchObject({ changed: true, how: 'shell', files: 'copy' });
    const open = (enabled['open'] as { id: string }[]).map(({ id }) => id);
    expect(open).toContain('ssh-socket-forwarding');
    expect(await shellOf(user)).toBe(it_.host.client);
    expect(await it_.inside(user, 'cat ~/file; touch ~/inside')).toBe('precious\n');
    expect(existsSync(join(user.home, 'inside'))).toBe(false);
    const { users } = (await it_.ok('ls')) as { users: { user: string; by: string[]; files: string }[] };
    expect(users.find((one) => one.user === user.name)).toMatchObject({ by: ['login shell'], files: 'copy' });
    expect(await it_.ok('enable', user.name)).toMatchObject({ changed: false });
    expect(await it_.ok('disable', user.name)).toMatchObject({ shell: '/bin/bash' });
    const hostSide = (text: string): string => text.split('\nstate ')[0] ?? '';
    expect(hostSide(await it_.everythingOf(user))).toBe(hostSide(before));
    // And again, with what was left inside: not without a word about the files on the host.
    const refused = await it_.ctl('enable', user.name);
    expect(refused.code).toBe(65);
    expect(refused.stderr.toString()).toMatch(
      /has a private home in the sandbox, from before, and \d+ files/,
    );
    expect(await it_.ok('enable', '--files', 'keep', user.name)).toMatchObject({ files: 'none' });
    expect(await readFile(join(user.home, 'file'), 'utf8')).toBe('precious\n');
    expect(await it_.inside(user, 'ls ~')).toContain('inside');
    await it_.ok('disable', user.name);
  });

  it('moves the files, leaves a stub of root’s with the keys, and gives them back', async () => {
    const user = await it_.user();
    const inode = (await stat(user.home)).ino;
    await it_.ok('enable', '--files', 'move', user.name);
    const stub = await lstat(user.home);
    expect([stub.uid, stub.mode & 0o777]).toEqual([0, 0o755]);
    expect(existsSync(join(user.home, 'file'))).toBe(false);
    const keys = join(user.home, '.ssh/authorized_keys');
    expect(await readFile(keys, 'utf8')).toContain('key');
    expect([(await stat(keys)).uid, (await stat(keys)).mode & 0o777]).toEqual([0, 0o640]);
    expect(await it_.inside(user, 'cat ~/file; echo more >~/new')).toBe('precious\n');
    await it_.ok('disable', user.name);
    const back = await stat(user.home);
    expect([back.ino, back.uid]).toEqual([inode, user.uid]);
    expect(await readFile(join(user.home, 'new'), 'utf8')).toBe('more\n');
    expect(await shellOf(user)).toBe('/bin/bash');
    expect(existsSync(join(it_.homes, `.dockersh-${user.uid}`))).toBe(false);
  });

  it('starts with an empty home where the files are to stay', async () => {
    const user = await it_.user();
    await it_.ok('enable', '--files', 'keep', user.name);
    expect(await it_.inside(user, 'ls ~')).not.toContain('file');
    await it_.ok('disable', user.name);
  });

  it('writes what is asked for into the policy, and joins a group', async () => {
    const [user, other] = [await it_.user(), await it_.user()];
    const before = await it_.everythingOf(user);
    await it_.ok('enable', '--home', 'host', '--group', other.name, user.name);
    expect(await it_.inside(user, 'touch ~/from-inside')).toBe('');
    expect(existsSync(join(user.home, 'from-inside'))).toBe(true);
    expect(await runOk('id', ['-Gn', user.name])).toContain(other.name);
    expect(await readFile(join(it_.host.folder, `etc/conf.d/user-${user.uid}.ini`), 'utf8')).toContain(
      'home = host',
    );
    await it_.ok('disable', user.name);
    await rm(join(user.home, 'from-inside'));
    expect((await it_.everythingOf(user)).split('\nstate ')[0]).toBe(before.split('\nstate ')[0]);
  });

  it('has sshd ask for the keys inside, where the policy says so', async () => {
    const user = await it_.user();
    const before = await it_.everythingOf(user);
    const dropIn = join(it_.sshdConfig, '../sshd_config.d/10-dockersh.conf');
    await it_.host.setPolicy({
      defaults: { image: 'host' },
      users: { [user.name]: { authorized_keys: 'inside' } },
    });
    await it_.ok('enable', user.name);
    const text = await readFile(dropIn, 'utf8');
    expect(text).toContain(
      `# dockersh keys: "${user.name}" keys inside\nMatch User "${user.name}"\n    AuthorizedKeysFile none\n`,
    );
    expect(text).toContain(`/dockersh-keys --folder ${it_.host.stateFolder}-keys %U %u\n`);
    expect(text).not.toContain('ForceCommand');
    const copy = join(`${it_.host.stateFolder}-keys`, String(user.uid));
    await waitUntil(() => existsSync(copy), 'the copy of the keys');
    expect(await readFile(copy, 'utf8')).toBe(
      `dockersh-keys 1 ${user.uid} ${user.name}\nssh-ed25519 AAAA key\n`,
    );
    await it_.ok('disable', user.name);
    expect(existsSync(dropIn)).toBe(false);
    await it_.host.setPolicy({ defaults: { image: 'host' } });
    await waitUntil(() => !existsSync(copy), 'the copy to be gone', 20_000);
    expect((await it_.everythingOf(user)).split('\nstate ')[0]).toBe(before.split('\nstate ')[0]);
  });

  it('has sshd do it, where that is asked for', async () => {
    const user = await it_.user();
    const enabled = await it_.ok('enable', '--how', 'sshd', user.name);
    // A shell of the host runs the ForceCommand, which is what is left to be said.
    const open = (enabled['open'] as { id: string }[]).map(({ id }) => id);
    expect(open.filter((id) => id.startsWith('ssh-'))).toEqual(['ssh-host-shell']);
    expect(await shellOf(user)).toBe('/bin/bash');
    const { users } = (await it_.ok('ls')) as { users: { user: string; by: string[] }[] };
    expect(users.find((one) => one.user === user.name)?.by).toEqual(['ForceCommand']);
    await it_.ok('disable', user.name);
    expect(((await it_.ok('ls')) as { users: unknown[] }).users).toEqual([]);
  });
});

describe('enabling is nothing', () => {
  it('where the login would not work', async () => {
    const user = await it_.user();
    await it_.host.setPolicy({ defaults: { image: 'dsh-missing' } });
    const before = await it_.everythingOf(user);
    for (const files of ['copy', 'move', 'keep']) {
      const finished = await it_.ctl('enable', '--files', files, user.name);
      expect(finished.code).toBe(69);
      expect(finished.stderr.toString()).toContain('E_IMAGE_MISSING');
      expect(await it_.everythingOf(user)).toBe(before);
    }
    await it_.host.setPolicy({ defaults: { image: 'host' } });
  });

  it('where the policy does not come out as asked', async () => {
    const user = await it_.user();
    const before = await it_.everythingOf(user);
    await mkdir(join(it_.host.folder, 'etc/conf.d'), { recursive: true });
    const later = join(it_.host.folder, 'etc/conf.d/zz.ini');
    await writeFile(later, `[user:${user.name}]\nhome = private\n`);
    expect((await it_.ctl('enable', '--home', 'host', user.name)).code).toBe(78);
    await rm(later);
    expect(await it_.everythingOf(user)).toBe(before);
  });

  it('while the account is logged in', async () => {
    const user = await it_.user();
    await using session = new Running('sleep', ['600'], { uid: user.uid, gid: user.gid });
    await waitUntil(() => session.pid > 0, 'sleep to run');
    const before = await it_.everythingOf(user);
    const finished = await it_.ctl('enable', user.name);
    expect(finished.code).toBe(75);
    expect(finished.stderr.toString()).toContain('sleep');
    expect(await it_.everythingOf(user)).toBe(before);
    await it_.ok('enable', '--force', user.name);
    await it_.ok('disable', user.name);
  });

  it.each(['copying', 'starting the sandbox', 'the login shell'])(
    'where somebody logs in at "%s"',
    async (step) => {
      const user = await it_.user();
      const before = await it_.everythingOf(user);
      await using enabling = it_.start('enable', user.name);
      await toldBy(enabling, step);
      enabling.kill('SIGSTOP');
      await using session = new Running('sleep', ['600'], { uid: user.uid, gid: user.gid });
      await waitUntil(() => session.pid > 0, 'sleep to run');
      enabling.kill('SIGCONT');
      expect((await enabling.finished()).code).toBe(75);
      session.kill('SIGKILL');
      await session.finished();
      expect(await it_.everythingOf(user)).toBe(before);
    },
  );

  it.each([
    '-x',
    'a b',
    '$(id)',
    '',
    'no.body@nowhere',
    String.raw`LAB\nobody`,
    'x'.repeat(32),
    'a:b',
    '../x',
  ])('for %j, whom this host does not know', async (name) => {
    for (const verb of ['enable', 'disable']) expect((await it_.ctl(verb, '--', name)).code).toBe(66);
  });

  it('for root', async () => {
    expect((await it_.ctl('enable', 'root')).code).toBe(65);
    expect((await it_.ctl('enable', '0')).code).toBe(65);
  });

  it('where the home is not the account’s own', async () => {
    const [user, other] = [await it_.user(), await it_.user()];
    const real = `${user.home}.real`;
    await rename(user.home, real);
    await symlink(other.home, user.home);
    for (const files of ['copy', 'move']) {
      expect((await it_.ctl('enable', '--files', files, user.name)).code, files).toBe(65);
    }
    await rm(user.home);
    await symlink(real, user.home);
    // A link of root's to the real place is an ordinary thing.
    await it_.ok('enable', '--files', 'move', user.name);
    expect((await lstat(real)).uid).toBe(0);
    expect((await lstat(user.home)).isSymbolicLink()).toBe(true);
    await it_.ok('disable', user.name);
    expect((await lstat(real)).uid).toBe(user.uid);
    await rm(user.home);
    await rename(real, user.home);
  });

  it('where a user could lead root elsewhere', async () => {
    const user = await it_.user();
    const folder = join(it_.host.folder, 'users-folder');
    await mkdir(join(folder, 'home'), { recursive: true });
    await runOk('chown', ['-R', `${user.uid}:${user.gid}`, folder]);
    await runOk('usermod', ['-d', join(folder, 'home'), user.name]);
    for (const files of ['copy', 'move']) {
      const finished = await it_.ctl('enable', '--files', files, user.name);
      expect(finished.code).toBe(65);
      expect(finished.stderr.toString()).toContain('belongs to uid');
    }
    await runOk('usermod', ['-d', user.home, user.name]);
  });

  it('where /etc is read-only', async () => {
    const user = await it_.user();
    const before = await it_.everythingOf(user);
    const script = 'mount --bind /etc /etc && mount -o remount,ro,bind /etc && exec "$@"';
    const command = [
      '-m',
      'bash',
      '-c',
      script,
      'bash',
      nodeProgram,
      ctlBundle,
      ...it_.args('enable', user.name),
    ];
    const finished = await run('unshare', command);
    expect(finished.code).toBe(73);
    expect(finished.stderr.toString()).toContain('read-only');
    expect(await it_.everythingOf(user)).toBe(before);
  });
});

it('moves files to another file system, and back', async () => {
  const user = await it_.user();
  const elsewhere = await mkdtemp('/dev/shm/dockersh-test-');
  try {
    const home = join(elsewhere, 'home');
    await runOk('cp', ['-a', user.home, home]);
    await runOk('usermod', ['-d', home, user.name]);
    await it_.ok('enable', '--files', 'move', user.name);
    expect((await lstat(home)).uid).toBe(0);
    expect(await it_.inside(user, 'cat ~/file; echo more >~/new')).toBe('precious\n');
    expect(await readdir(elsewhere)).toEqual(['home']);
    await it_.ok('disable', user.name);
    expect([(await lstat(home)).uid, await readFile(join(home, 'new'), 'utf8')]).toEqual([
      user.uid,
      'more\n',
    ]);
    expect(await readdir(elsewhere)).toEqual(['home']);
    expect(existsSync(join(it_.host.stateFolder, 'users', String(user.uid), 'home'))).toBe(false);
    await runOk('usermod', ['-d', user.home, user.name]);
  } finally {
    await rm(elsewhere, { recursive: true });
  }
});

describe('hostile homes', () => {
  it('never give away what their links lead to', async () => {
    const user = await it_.user();
    await it_.asUser(
      user,
      'ln -s /etc/shadow s; ln -s / root; mkfifo pipe; ln -s /dev/null .ssh2; ln -sf / deep',
    );
    // A hard link to a file of root's, made before fs.protected_hardlinks.
    const secret = join(it_.host.folder, 'secret');
    await writeFile(secret, 'SECRET', { mode: 0o600 });
    await runOk('rm', [join(user.home, '.ssh/authorized_keys')]);
    for (const name of ['hard', '.ssh/authorized_keys']) {
      const to = join(user.home, name);
      const linked = await run('ln', [secret, to]);
      if (linked.code !== 0) await runOk('cp', ['-p', secret, to]); // another file system: as good as linked
    }
    for (const files of ['copy', 'move']) {
      await it_.ok('enable', '--files', files, user.name);
      const shown = await it_.inside(
        user,
        'cat ~/hard ~/s ~/.ssh/authorized_keys 2>&1; readlink ~/s; test -p ~/pipe && echo pipe',
      );
      expect(shown).not.toContain('SECRET');
      expect(shown).not.toMatch(/^root:/m);
      expect(shown).toContain('/etc/shadow\npipe\n');
      if (files === 'move') expect(existsSync(join(user.home, '.ssh'))).toBe(false);
      await it_.ok('disable', user.name);
      await rm(join(it_.host.stateFolder, 'users', String(user.uid), 'home'), {
        recursive: true,
        force: true,
      });
    }
    expect([(await stat(secret)).uid, (await stat(secret)).mode & 0o777]).toEqual([0, 0o600]);
  });

  it('whose .ssh is a link yield no keys', async () => {
    const [user, other] = [await it_.user(), await it_.user()];
    await it_.asUser(user, `rm -r .ssh; ln -s ${other.home}/.ssh .ssh`);
    await it_.ok('enable', '--files', 'move', user.name);
    expect(existsSync(join(user.home, '.ssh'))).toBe(false);
    await it_.ok('disable', user.name);
  });
});

/** Waits for a line of what a command tells. */
async function toldBy(command: Running, text: string): Promise<void> {
  await waitUntil(() => command.exited || command.stderr.toString().includes(text), text);
}

/** Until standard input ends; then none of them is left. */
const makeAndRemove = `
  name=dshbusy$$; removed() { ! getent passwd $name >/dev/null || userdel $name 2>/dev/null; }
  until read -t 0.01 _; [ $? -le 128 ]; do useradd -M $name 2>/dev/null && echo made; removed; done
  until removed; do sleep 0.1; done`;

const steps = ['moving', 'starting the sandbox', 'the login shell'];

describe('a run that is ended half way', () => {
  it.each(steps)('by SIGINT at "%s" leaves nothing', async (step) => {
    const user = await it_.user();
    const before = await it_.everythingOf(user);
    await using enabling = it_.start('enable', '--files', 'move', user.name);
    await toldBy(enabling, step);
    enabling.kill('SIGINT');
    const finished = await enabling.finished();
    if (finished.code === 0) {
      await it_.ok('disable', user.name); // it was quicker
      return;
    }
    expect(finished.code).toBe(130);
    await waitUntil(async () => (await it_.everythingOf(user)) === before, 'everything to be as before');
  });

  // /etc/passwd is locked, and written anew, again and again meanwhile.
  it('by SIGINT at every step leaves nothing while other accounts are made and removed', async () => {
    await using others = new Running('bash', ['-c', makeAndRemove]);
    await waitUntil(() => others.stdout.toString().includes('made'), 'an account to be made');
    const user = await it_.user();
    const before = await it_.everythingOf(user);
    for (const step of steps) {
      await using enabling = it_.start('enable', '--files', 'move', user.name);
      await toldBy(enabling, step);
      enabling.kill('SIGINT');
      const finished = await enabling.finished(120_000);
      if (finished.code === 0) {
        await it_.ok('disable', user.name); // it was quicker
        await it_.host.ctlOk('user', 'forget', user.name, '--force', '--yes');
      } else
        expect([step, finished.code, finished.stderr.toString()]).toEqual([step, 130, expect.any(String)]);
      await waitUntil(
        async () => (await it_.everythingOf(user)) === before,
        `${step}: all to be as before`,
        60_000,
      );
    }
    // And it still works, in between.
    await it_.ok('enable', user.name);
    await it_.ok('disable', user.name);
    others.process.stdin?.end();
    expect((await others.finished(60_000)).code).toBe(0);
  }, 300_000);

  it.each(steps)('by SIGKILL at "%s" is taken back or completed by the next', async (step) => {
    const user = await it_.user();
    const before = await it_.everythingOf(user);
    for (const delayMs of [0, 15, 60, 150]) {
      await using enabling = it_.start('enable', '--files', 'move', user.name);
      await toldBy(enabling, step);
      await sleep(delayMs);
      enabling.kill('SIGKILL');
      await enabling.finished();
      await it_.ok('repair');
      if ((await shellOf(user)) === '/bin/bash') {
        expect(await it_.everythingOf(user)).toBe(before);
        continue;
      }
      expect(await it_.inside(user, 'cat ~/file')).toBe('precious\n');
      await it_.ok('disable', user.name);
      expect((await it_.everythingOf(user)).split('\npolicy')[0]).toBe(before.split('\npolicy')[0]);
      break;
    }
  });

  it.each(['the login shell', 'stopping', 'back to'])('while disabling, by SIGKILL at "%s"', async (step) => {
    const user = await it_.user();
    const before = await it_.everythingOf(user);
    await it_.ok('enable', '--files', 'move', user.name);
    for (const delayMs of [0, 20, 80]) {
      await using disabling = it_.start('disable', user.name);
      await toldBy(disabling, step);
      await sleep(delayMs);
      disabling.kill('SIGKILL');
      await disabling.finished();
      await it_.ok('repair');
      if ((await shellOf(user)) === '/bin/bash') break;
      expect(await it_.inside(user, 'cat ~/file')).toBe('precious\n');
      await it_.endProcesses(user);
    }
    if ((await shellOf(user)) !== '/bin/bash') await it_.ok('disable', user.name);
    expect((await it_.everythingOf(user)).split('\npolicy')[0]).toBe(before.split('\npolicy')[0]);
  });

  it.each(steps)('because the daemon is killed at "%s" is taken back with the next one', async (step) => {
    const user = await it_.user();
    const before = await it_.everythingOf(user);
    await using enabling = it_.start('enable', '--files', 'move', user.name);
    await toldBy(enabling, step);
    await it_.host.killDaemon('SIGKILL');
    const { code } = await enabling.finished();
    await it_.host.startDaemon();
    await it_.ok('repair');
    if (code === 0) await it_.ok('disable', user.name); // it did not need the daemon any more
    const untilPolicy = (text: string): string => text.split('\npolicy')[0] ?? '';
    expect(untilPolicy(await it_.everythingOf(user))).toBe(untilPolicy(before));
    if (code !== 0) expect(await it_.everythingOf(user)).toBe(before);
  });

  it('is said by doctor', async () => {
    const user = await it_.user();
    await using enabling = it_.start('enable', '--files', 'move', user.name);
    await toldBy(enabling, 'moving');
    enabling.kill('SIGKILL');
    await enabling.finished();
    const socket = join(it_.host.runFolder, 'admin.sock');
    const doctor = await run(nodeProgram, [
      ctlBundle,
      '--json',
      '--socket',
      socket,
      'doctor',
      '--client',
      it_.host.client,
    ]);
    const { checks } = JSON.parse(doctor.stdout.toString());
    expect(checks).toContainEqual(expect.objectContaining({ id: 'accounts-unfinished', state: 'critical' }));
    expect(await it_.ok('repair')).toEqual({
      repaired: [{ user: user.name, kind: 'enable', outcome: 'taken back' }],
    });
  });
});

it('does with as few logins as the policy allows', async () => {
  const user = await it_.user();
  await it_.host.setPolicy({ defaults: { image: 'host', login_rate: '1/1h' } });
  await it_.ok('enable', user.name);
  await it_.ok('disable', user.name);
  await it_.host.setPolicy({ defaults: { image: 'host' } });
});

it('is not for whom the policy exempts', async () => {
  const user = await it_.user();
  await it_.host.setPolicy({ defaults: { image: 'host' }, users: { [user.name]: { exempt: 'yes' } } });
  expect((await it_.ctl('enable', user.name)).code).toBe(65);
  await it_.host.setPolicy({ defaults: { image: 'host' } });
});

it('waits for the lock of /etc/passwd', async () => {
  const user = await it_.user();
  const hold = 'import ctypes,time; ctypes.CDLL(None).lckpwdf(); print("held", flush=True); time.sleep(3)';
  await using holder = new Running('python3', ['-c', hold], { stdio: ['ignore', 'pipe', 'inherit'] });
  await holder.waitForOutput('held');
  await it_.ok('enable', user.name);
  expect(holder.exited).toBe(true);
  await it_.ok('disable', user.name);
});

it('lets two at a time get in each other’s way only in words', async () => {
  const user = await it_.user();
  const both = await Promise.all([it_.program('enable', user.name), it_.program('enable', user.name)]);
  const codes = both.map(({ code }) => code).sort();
  expect([
    [0, 0],
    [0, 75],
  ]).toContainEqual(codes);
  expect(await it_.inside(user, 'cat ~/file')).toBe('precious\n');
  await it_.ok('disable', user.name);
});

it('disables also where dockershd does not run', async () => {
  const user = await it_.user();
  await it_.ok('enable', user.name);
  await it_.host.killDaemon('SIGTERM');
  await it_.ok('disable', '--state', it_.host.stateFolder, user.name);
  expect(await shellOf(user)).toBe('/bin/bash');
  await it_.host.startDaemon();
});

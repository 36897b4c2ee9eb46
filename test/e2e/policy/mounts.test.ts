// Extra mounts: root decides what is shown, and nothing that anybody else can change decides what that is.

import { chmod, chown, lchown, lstat, mkdir, mkdtemp, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, type Finished, Running, runOk } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

// Not below /tmp: what everybody can write to is no way to a source.
let data = '';
beforeAll(async () => {
  data = await mkdtemp('/srv/dockersh-test-');
  await chmod(data, 0o755);
});
afterAll(async () => {
  await rm(data, { recursive: true, force: true });
});

async function folder(name: string, owner = 0): Promise<string> {
  const path = join(data, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'file'), `${name}\n`);
  await chown(path, owner, owner);
  await chown(join(path, 'file'), owner, owner);
  return path;
}

async function mounting(login: Login, mounts: string): Promise<void> {
  await world().host.setPolicy({
    defaults: { image: 'host', stop_grace: '0' },
    users: { [login.user.name]: { mounts } },
  });
  await world().host.ctlOk('stop', login.user.name);
}

async function expectRefused(login: Login, mounts: string, reason: RegExp): Promise<void> {
  await mounting(login, mounts);
  const result = await login.ssh('echo in');
  expect(result.code, describeFinished(result)).toBe(125);
  expect(result.stdout.toString()).toBe('');
  expect(result.stderr.toString()).toMatch(/E_MOUNT/);
  expect(result.stderr.toString()).not.toContain(data);
  expect(JSON.stringify(world().host.logRecords().slice(-20))).toMatch(reason);
}

const text = (result: Finished): string => result.stdout.toString() + result.stderr.toString();

describe.skipIf(control)('mounts', () => {
  it('read-only and writable, by the user’s and the group’s name, with owners as they are', async () => {
    const login = await world().addLogin('shell');
    const { name, uid } = login.user;
    await folder(`ro/${name}`);
    await folder(`rw/${name}`, uid);
    await mounting(login, `${data}/ro/%u:/data:ro ${data}/rw/%g:/deep/er/scratch:rw`);
    const result = await login.ssh(
      'cat /data/file /deep/er/scratch/file; touch /data/x; touch /deep/er/scratch/new && stat -c %u /deep/er/scratch/new; rm /data/file',
    );
    expect(result.stdout.toString(), describeFinished(result)).toBe(`ro/${name}\nrw/${name}\n${uid}\n`);
    expect(result.stderr.toString()).toMatch(/touch.*Read-only[\s\S]*rm.*Read-only/);
  });

  it('what is in them is neither setuid nor a device', async () => {
    const login = await world().addLogin('shell');
    await folder('flags');
    await mounting(login, `${data}/flags:/data:rw`);
    const options = text(await login.ssh("grep ' /data ' /proc/self/mountinfo"));
    expect(options).toMatch(/ rw,nosuid,nodev/);
    expect(text(await login.ssh('echo x > /data/new'))).toMatch(/Permission denied/);
  });

  it('"+=" adds to what other sections mount', async () => {
    const login = await world().addLogin('shell');
    const [one, two] = [await folder('one'), await folder('two')];
    await world().host.setPolicy(
      `[defaults]\nimage = host\nstrict = no\nmounts = ${one}:/one\n[user:${login.user.name}]\nmounts += ${two}:/two\n`,
    );
    expect(text(await login.ssh('cat /one/file /two/file'))).toBe('one\ntwo\n');
  });

  it('below the home', async () => {
    const login = await world().addLogin('shell');
    const source = await folder('share');
    await mounting(login, `${source}:${login.user.home}/a/share:ro`);
    expect(text(await login.ssh('cat ~/a/share/file; touch ~/a/share/x'))).toMatch(/^share\n.*Read-only/);
  });

  it('a way that others can change is refused', async () => {
    const login = await world().addLogin('shell');
    const { uid } = login.user;
    await folder('open/x');
    await chmod(join(data, 'open'), 0o1777);
    await expectRefused(login, `${data}/open/x:/data`, /others than root can change/);
    await chmod(join(data, 'open'), 0o755);
    await chown(join(data, 'open'), uid, uid);
    await expectRefused(login, `${data}/open/x:/data`, /others than root can change/);
    await chown(join(data, 'open'), 0, 0);
    expect((await login.ssh('cat /data/file')).stdout.toString()).toBe('open/x\n');
  });

  it('a link on the way, or at its end, is refused, whoever made it', async () => {
    const login = await world().addLogin('shell');
    await folder('real/sub');
    await symlink(join(data, 'real'), join(data, 'link'));
    await lchown(join(data, 'link'), 0, 0);
    await expectRefused(login, `${data}/link/sub:/data`, /Not a directory|too many|ELOOP|symbolic/i);
    await expectRefused(login, `${data}/link:/data`, /Not a directory|too many|ELOOP|symbolic/i);
  });

  it('a link that the user puts where the target shall be leads nowhere', async () => {
    const login = await world().addLogin('shell');
    const source = await folder('target');
    await mounting(login, 'none');
    expect((await login.ssh('ln -s /etc ~/share; ln -s / ~/up')).code).toBe(0);
    await expectRefused(login, `${source}:${login.user.home}/share/deep`, /open target/);
    await expectRefused(login, `${source}:${login.user.home}/up/tmp/x`, /open target/);
  });

  it('a folder of root’s that the user renames to where the target was made stays root’s', async () => {
    const login = await world().addLogin('shell');
    const { name, home, uid, gid } = login.user;
    const source = await folder('raced');
    // A long way, which takes the supervisor long to walk, and several targets a start, each in turn.
    const deep = join(home, 'd/'.repeat(900));
    await mkdir(deep, { recursive: true });
    await runOk('chown', ['-R', `${uid}:${gid}`, join(home, 'd')]);
    const pairs = [...Array(16).keys()].map(
      (number) => [join(deep, `roots${number}`), join(deep, `target${number}`)] as const,
    );
    await world().host.setPolicy({
      defaults: { image: 'host', stop_grace: '0' },
      users: {
        [name]: { home: 'host', mounts: pairs.map(([, target]) => `${source}:${target}`).join(' ') },
      },
    });
    // RENAME_EXCHANGE fails until the target is there.
    const race = `chdir ${JSON.stringify(deep)}; for $n (0 .. 15) { my ($r, $t) = ("roots$n", "target$n"); 1 until syscall(316, -100, $r, -100, $t, 2) == 0 }`;
    for (let round = 0; round < 5; round += 1) {
      for (const [theirs] of pairs) await mkdir(theirs);
      const roots = await Promise.all(pairs.map(async ([theirs]) => (await lstat(theirs)).ino));
      await using racer = new Running('perl', ['-e', race], { uid, gid });
      const result = await login.ssh(`cd ${deep}; cat target0/file roots0/file`);
      expect(result.stdout.toString(), describeFinished(result)).toBe('raced\n');
      await racer.finished();
      const found = await Promise.all(pairs.flat().map(async (path) => await lstat(path)));
      const given = found.filter((one) => roots.includes(one.ino) && one.uid !== 0);
      expect(given.length, `round ${round}`).toBe(0);
      await world().host.ctlOk('stop', name);
      for (const path of pairs.flat()) await rmdir(path);
    }
  }, 180_000);

  it('a missing source, and a file, refuse the login', async () => {
    const login = await world().addLogin('shell');
    await expectRefused(login, `${data}/missing:/data`, /No such file/);
    await folder('plain');
    await expectRefused(login, `${data}/plain/file:/data`, /Not a directory/);
    expect((await world().login('shell').ssh('exit 3')).code).toBe(3);
  });
});

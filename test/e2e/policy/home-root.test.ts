// home_root: private homes in a folder of root's choice, and none begun anew because it was looked for elsewhere.

import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, runOk } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

// Not below /tmp, where everybody can make folders.
let data = '';
beforeAll(async () => {
  data = await mkdtemp('/srv/dockersh-test-');
  await chmod(data, 0o755);
});
afterAll(async () => {
  await rm(data, { recursive: true, force: true });
});

async function homesIn(login: Login, settings: PolicySection): Promise<void> {
  await world().host.setPolicy({
    defaults: { image: 'host', stop_grace: '0' },
    users: { [login.user.name]: settings },
  });
  await world().host.ctlOk('stop', login.user.name);
}

async function output(login: Login, command: string): Promise<string> {
  const result = await login.ssh(command);
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

async function expectRefused(login: Login, reason: RegExp): Promise<void> {
  const result = await login.ssh('echo in');
  expect(result.code, describeFinished(result)).toBe(125);
  expect(result.stderr.toString()).toMatch(/E_HOME/);
  expect(result.stderr.toString()).not.toContain(data);
  expect(JSON.stringify(world().host.logRecords().slice(-20))).toMatch(reason);
}

describe.skipIf(control)('home_root', () => {
  it('keeps homes out of the reach of everybody on the host', async () => {
    const login = await world().addLogin('shell');
    const { name, uid, gid, home } = login.user;
    await mkdir(join(data, name));
    await homesIn(login, { home_root: `${data}/%u`, user_may_set: 'umask' });
    expect(await output(login, 'echo kept > ~/file; stat -c "%u %a" ~; pwd')).toBe(`${uid} 700\n${home}\n`);
    const folder = join(data, name, String(uid));
    expect(await readFile(join(folder, 'home/file'), 'utf8')).toBe('kept\n');
    const info = await lstat(folder);
    expect([info.uid, info.mode & 0o7777]).toEqual([0, 0o700]);
    expect(await output(login, 'chmod 777 ~; echo "umask = 077" > ~/.dockersh.ini; echo')).toBe('\n');
    // The user's own settings are read from there.
    expect(await output(login, 'umask')).toBe('0077\n');
    await expect(runOk('ls', [join(folder, 'home')], { uid, gid })).rejects.toThrow(/Permission denied/);
  });

  it('that changes loses nothing: the login is refused until the home is where it names', async () => {
    const login = await world().addLogin('shell');
    const { uid } = login.user;
    const [one, two] = [join(data, 'one'), join(data, 'two')];
    await mkdir(one);
    await mkdir(two);
    expect(await output(login, 'echo precious > ~/file; echo done')).toBe('done\n');
    const state = join(world().host.stateFolder, 'users', String(uid));
    await homesIn(login, { home_root: one });
    await expectRefused(login, /lies in .*\/users\/\d+\/home.*move it: mkdir/);
    await mkdir(join(one, String(uid)), { mode: 0o700 });
    await runOk('mv', [join(state, 'home'), join(one, String(uid), 'home')]); // they may be two file systems
    expect(await output(login, 'cat ~/file')).toBe('precious\n');
    // From one root to another, with something in the way.
    await homesIn(login, { home_root: two });
    await expectRefused(login, /lies in .*\/one\//);
    await mkdir(join(two, String(uid), 'home'), { recursive: true });
    await expectRefused(login, /there is one as well/);
    await rm(join(two, String(uid), 'home'), { recursive: true });
    // And back to the state.
    await homesIn(login, {});
    await expectRefused(login, /lies in .*\/one\//);
    await runOk('mv', [join(one, String(uid), 'home'), join(state, 'home')]);
    expect(await output(login, 'cat ~/file')).toBe('precious\n');
  });

  it('that is not mounted begins no home anew', async () => {
    const login = await world().addLogin('shell');
    const root = join(data, 'disk');
    await mkdir(root);
    await homesIn(login, { home_root: root });
    expect(await output(login, 'echo precious > ~/file; echo done')).toBe('done\n');
    await world().host.ctlOk('stop', login.user.name);
    await rename(root, `${root}.away`);
    await expectRefused(login, /does not exist/);
    await mkdir(root); // what a file system is mounted on, without it
    await expectRefused(login, /is not in .*, where it was/);
    await rm(root, { recursive: true });
    await rename(`${root}.away`, root);
    expect(await output(login, 'cat ~/file')).toBe('precious\n');
  });

  it('that others can change, or that somebody was in first, refuses the login', async () => {
    const login = await world().addLogin('shell');
    const { uid, gid } = login.user;
    const root = join(data, 'open');
    await mkdir(root);
    await chmod(root, 0o777);
    await homesIn(login, { home_root: root });
    await expectRefused(login, /writable by everybody/);
    await chmod(root, 0o1777);
    await mkdir(join(root, String(uid)));
    await chown(join(root, String(uid)), uid, gid);
    await expectRefused(login, new RegExp(`belongs to uid ${uid}`));
    await rm(join(root, String(uid)), { recursive: true });
    await writeFile(join(root, String(uid)), '');
    await expectRefused(login, /that is no folder/);
    await rm(join(root, String(uid)));
    await symlink('/etc', join(root, String(uid)));
    await expectRefused(login, /that is no folder/);
  });
});

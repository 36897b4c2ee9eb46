// sshd-config against the real sshd, with a configuration of its own.

import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dockershctl } from '../../fixtures/cli/dockershctl.ts';
import { type Finished, runOk } from '../../fixtures/process.ts';
import { TestUser } from '../../fixtures/users.ts';

let folder: string;
let user: TestUser;
let config: string;
let dropIn: string;
let client: string;

beforeAll(async () => {
  user = await TestUser.create({ shell: '/bin/bash' });
  folder = await mkdtemp('/tmp/dockersh-test-');
  await chmod(folder, 0o755);
  await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'host_key')]);
  client = join(folder, 'dockersh');
  await symlink('/bin/true', client);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await user[Symbol.asyncDispose]();
});
beforeEach(async () => {
  const etc = await mkdtemp(join(folder, 'etc-'));
  config = join(etc, 'sshd_config');
  dropIn = join(etc, 'sshd_config.d/10-dockersh.conf');
  await mkdir(join(etc, 'sshd_config.d'));
  await main('Include sshd_config.d/*.conf'.replace('sshd', `${etc}/sshd`));
});

async function main(...lines: string[]): Promise<void> {
  await writeFile(config, `${lines.join('\n')}\nHostKey ${folder}/host_key\nAllowTcpForwarding yes\n`);
}

async function sshdConfig(...args: string[]): Promise<Finished> {
  return await dockershctl(['--json', 'sshd-config', '--client', client, '--sshd-config', config, ...args]);
}

/** What sshd itself does with a login of this user. */
async function settingsOf(name: string): Promise<string> {
  const connection = `user=${name},host=h,addr=192.0.2.1,laddr=192.0.2.1,lport=22,rdomain=`;
  await mkdir('/run/sshd', { recursive: true });
  return await runOk('/usr/sbin/sshd', ['-T', '-f', config, '-C', connection]);
}

const errorOf = (finished: Finished): { code: string; message: string; hint: string } =>
  JSON.parse(finished.stderr.toString()).error;

describe('sshd-config', () => {
  it('prints what it would install, and changes nothing', async () => {
    const printed = await sshdConfig('--user', user.name, '--group', 'dsh students');
    const { text } = JSON.parse(printed.stdout.toString());
    expect(text).toContain(`Match User "${user.name}"\n    ForceCommand ${client}\n`);
    expect(text).toContain('Match Group "dsh students" User "!root,*"');
    expect(existsSync(dropIn)).toBe(false);
  });

  it('sends the user, and nobody else, to dockersh', async () => {
    expect((await sshdConfig('--install', '--user', user.name)).code).toBe(0);
    const settings = await settingsOf(user.name);
    expect(settings).toContain(`forcecommand ${client}\n`);
    for (const line of [
      'allowtcpforwarding no',
      'allowstreamlocalforwarding no',
      'x11forwarding no',
      'permittunnel no',
      'permituserrc no',
    ]) {
      expect(settings).toContain(`${line}\n`);
    }
    expect(await settingsOf('nobody')).toContain('forcecommand none\n');
    expect(await settingsOf('nobody')).toContain('allowtcpforwarding yes\n');
  });

  it('sends members of a group to dockersh, but never root', async () => {
    expect((await sshdConfig('--install', '--group', user.name)).code).toBe(0);
    expect(await settingsOf(user.name)).toContain(`forcecommand ${client}\n`);
    expect((await sshdConfig('--install', '--group', 'root')).code).toBe(0);
    expect(await settingsOf('root')).toContain('forcecommand none\n');
  });

  it('adds to what is there, and takes away what is named', async () => {
    await sshdConfig('--install', '--user', user.name);
    const second = JSON.parse((await sshdConfig('--install', '--group', 'nogroup')).stdout.toString());
    expect(second.entries).toHaveLength(2);
    const again = JSON.parse((await sshdConfig('--install', '--group', 'nogroup')).stdout.toString());
    expect(again).toMatchObject({ changed: false });
    const less = JSON.parse((await sshdConfig('--remove', '--user', user.name)).stdout.toString());
    expect(less.entries).toEqual([{ kind: 'group', name: 'nogroup' }]);
    expect(await settingsOf(user.name)).toContain('forcecommand none\n');
    expect((await sshdConfig('--remove')).code).toBe(0);
    expect(existsSync(dropIn)).toBe(false);
  });

  it('has sshd ask for the keys inside, alone or as well', async () => {
    const command = /^authorizedkeyscommand \S+\/dockersh-keys %U %u$/m;
    expect((await sshdConfig('--install', '--user', user.name, '--keys', 'both')).code).toBe(0);
    expect(await settingsOf(user.name)).toMatch(command);
    expect(await settingsOf(user.name)).toContain('authorizedkeyscommanduser dockersh-keys\n');
    expect(await settingsOf(user.name)).not.toContain('authorizedkeysfile none');
    expect(await settingsOf('nobody')).toContain('authorizedkeyscommand none\n');
    expect((await sshdConfig('--install', '--user', user.name, '--keys', 'inside')).code).toBe(0);
    expect(await settingsOf(user.name)).toMatch(command);
    expect(await settingsOf(user.name)).toContain('authorizedkeysfile none\n');
    expect((await sshdConfig('--install', '--user', user.name, '--keys', 'host')).code).toBe(0);
    expect(await settingsOf(user.name)).toContain('authorizedkeyscommand none\n');
  });

  it('comes before what is set for all', async () => {
    await main('ForceCommand /bin/date', `Include ${dropIn.replace('10-dockersh', '*')}`);
    expect((await sshdConfig('--install', '--user', user.name)).code).toBe(0);
    expect(await settingsOf(user.name)).toContain(`forcecommand ${client}\n`);
    expect(await settingsOf('nobody')).toContain('forcecommand /bin/date\n');
  });

  it('leaves what follows in the main file to everybody', async () => {
    await main(`Include ${dropIn.replace('10-dockersh', '*')}`, 'X11Forwarding yes');
    await sshdConfig('--install', '--user', user.name);
    expect(await settingsOf('nobody')).toContain('x11forwarding yes\n');
  });

  it.each([String.raw`LAB\jdoe`, 'j.doe@lab.example', 'a b', '$(id)', '-x', "o'neil", 'x'.repeat(32)])(
    'writes the name %s so that sshd knows it',
    async (name) => {
      const finished = await sshdConfig('--install', `--user=${name}`);
      expect(finished.code).toBe(0);
      expect(JSON.parse(finished.stdout.toString()).notes).toEqual([`this host knows no user ${name}`]);
      expect(await settingsOf(name)).toContain(`forcecommand ${client}\n`);
      expect(await settingsOf(`${name}x`)).toContain('forcecommand none\n');
    },
  );

  it.each(['*', 'a?', '!root', 'a,b', 'a"b', 'a\nForceCommand none', '#x', 'a\\', ' a', ''])(
    'refuses the name %j, which sshd would read as something else',
    async (name) => {
      for (const kind of ['user', 'group']) {
        const finished = await sshdConfig('--install', `--${kind}=${name}`);
        expect(finished.code).toBe(64);
      }
      expect(existsSync(dropIn)).toBe(false);
    },
  );

  it('refuses root', async () => {
    expect((await sshdConfig('--install', '--user', 'root')).code).toBe(64);
  });
});

describe('sshd-config refuses, and changes nothing,', () => {
  it('where sshd does not include the file', async () => {
    await main('# nothing');
    const finished = await sshdConfig('--install', '--user', user.name);
    expect(finished.code).toBe(78);
    expect(errorOf(finished).hint).toContain('Include');
    expect(existsSync(dropIn)).toBe(false);
  });

  it('where the rest of the configuration is broken', async () => {
    await main(`Include ${dropIn.replace('10-dockersh', '*')}`, 'NoSuchSetting yes');
    const finished = await sshdConfig('--install', '--user', user.name);
    expect(finished.code).toBe(78);
    expect(errorOf(finished).message).toContain('NoSuchSetting');
    expect(existsSync(dropIn)).toBe(false);
  });

  it('where an earlier Match says otherwise', async () => {
    const before = `Match User ${user.name}\n  ForceCommand /bin/date\nMatch all`;
    await main(before, `Include ${dropIn.replace('10-dockersh', '*')}`);
    const finished = await sshdConfig('--install', '--user', user.name);
    expect(finished.code).toBe(78);
    expect(errorOf(finished).message).toContain('ForceCommand is /bin/date');
    expect(errorOf(finished).hint).toContain('"ForceCommand /bin/date"');
    expect(existsSync(dropIn)).toBe(false);
  });

  it('where an earlier file of sshd_config.d says otherwise', async () => {
    await writeFile(
      dropIn.replace('10-dockersh', '05-other'),
      `Match User ${user.name}\nForceCommand /bin/date\n`,
    );
    expect((await sshdConfig('--install', '--user', user.name)).code).toBe(78);
    expect(existsSync(dropIn)).toBe(false);
  });

  it('where the Include stands in the block of somebody else', async () => {
    await main('Match User nobody', `  Include ${dropIn.replace('10-dockersh', '*')}`, 'Match all');
    expect((await sshdConfig('--install', '--user', user.name)).code).not.toBe(0);
    expect(existsSync(dropIn)).toBe(false);
  });

  it('with a path that a shell would read', async () => {
    const odd = join(folder, 'a;id');
    await symlink('/bin/true', odd);
    const finished = await sshdConfig('--install', '--user', user.name, '--client', odd);
    expect(finished.code).toBe(64);
  });
});

it('leaves no file behind', async () => {
  await sshdConfig('--install', '--user', user.name);
  await main('# nothing');
  await sshdConfig('--install', '--group', 'nogroup');
  expect((await readdir('/run')).filter((name) => name.startsWith('dockersh-sshd-'))).toEqual([]);
  expect(await readdir(join(dropIn, '..'))).toEqual(['10-dockersh.conf']);
  expect(await readFile(dropIn, 'utf8')).toContain(user.name);
});

// sshd-module against a configuration of its own: the lines in sshd's PAM service, and what sshd forwards with them and
// without.

import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dockershctl } from '../../fixtures/cli/dockershctl.ts';
import { type Finished, runOk } from '../../fixtures/process.ts';
import { TestUser } from '../../fixtures/users.ts';

let folder: string;
let user: TestUser;
let config: string;
let service: string;
let before: string;

beforeAll(async () => {
  user = await TestUser.create({ shell: '/bin/bash' });
  folder = await mkdtemp('/tmp/dockersh-test-');
  await chmod(folder, 0o755);
  await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'host_key')]);
  await symlink('/bin/true', join(folder, 'dockersh'));
  await writeFile(join(folder, 'pam_dockersh.so'), '');
  before = await readFile('/etc/pam.d/sshd', 'utf8');
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await user[Symbol.asyncDispose]();
});
beforeEach(async () => {
  const etc = await mkdtemp(join(folder, 'etc-'));
  for (const name of ['pam.d', 'ssh', 'ssh/sshd_config.d']) await mkdir(join(etc, name));
  service = join(etc, 'pam.d/sshd');
  config = join(etc, 'ssh/sshd_config');
  await writeFile(service, before, { mode: 0o640 });
  const lines = [
    `Include ${etc}/ssh/sshd_config.d/*.conf`,
    `HostKey ${folder}/host_key`,
    'X11Forwarding yes',
  ];
  await writeFile(config, `${lines.join('\n')}\nUsePAM yes\n`);
});

async function ctl(verb: string, ...args: string[]): Promise<Finished> {
  const places = ['--client', join(folder, 'dockersh'), '--sshd-config', config];
  return await dockershctl(['--json', verb, ...places, ...args]);
}

async function ctlOk(verb: string, ...args: string[]): Promise<{ state: string; changed: boolean }> {
  const { code, stdout, stderr } = await ctl(verb, ...args);
  expect(code, stderr.toString()).toBe(0);
  return JSON.parse(stdout.toString());
}

const put = async (...args: string[]) =>
  await ctlOk('sshd-module', '--install', '--module', join(folder, 'pam_dockersh.so'), ...args);

async function forwarding(): Promise<string[]> {
  const connection = `user=${user.name},host=h,addr=192.0.2.1,laddr=192.0.2.1,lport=22,rdomain=`;
  await mkdir('/run/sshd', { recursive: true });
  const settings = await runOk('/usr/sbin/sshd', ['-T', '-f', config, '-C', connection]);
  return [
    ...settings.matchAll(/^(?:allowtcpforwarding|allowstreamlocalforwarding|x11forwarding) (.*)$/gm),
  ].map(([, value = '']) => value);
}

describe('sshd-module', () => {
  it('changes nothing unless it is told to', async () => {
    expect(await ctlOk('sshd-module')).toMatchObject({ state: 'absent', changed: false });
    expect(await readFile(service, 'utf8')).toBe(before);
  });

  it('puts the lines there once, and leaves the file as it was when it takes them out', async () => {
    expect(await put()).toMatchObject({ state: 'there', changed: true });
    const once = await readFile(service, 'utf8');
    expect(await put()).toMatchObject({ state: 'there', changed: false });
    expect(await readFile(service, 'utf8')).toBe(once);
    expect(once.match(/pam_dockersh\.so/g)).toHaveLength(2);
    expect((await runOk('stat', ['-c', '%a', service])).trim()).toBe('640');
    expect(await ctlOk('sshd-module', '--remove')).toMatchObject({ state: 'absent', changed: true });
    expect(await readFile(service, 'utf8')).toBe(before);
  });

  it('puts lines in order that somebody has moved', async () => {
    await put();
    const text = await readFile(service, 'utf8');
    await writeFile(service, `session optional pam_umask.so\n${text}`);
    expect(await ctlOk('sshd-module')).toMatchObject({ state: 'wrong' });
    expect(await put()).toMatchObject({ state: 'there', changed: true });
    await ctlOk('sshd-module', '--remove');
    expect(await readFile(service, 'utf8')).toBe(`session optional pam_umask.so\n${before}`);
  });

  it('names those whom ForceCommand sends in, whose forwards are allowed only then', async () => {
    await ctlOk('sshd-config', '--install', '--user', user.name);
    expect(await forwarding()).toEqual(['no', 'no', 'no']);
    await put();
    expect(await readFile(service, 'utf8')).toMatch(
      new RegExp(`pam_dockersh\\.so client=${folder}/dockersh users=${user.name}$`, 'm'),
    );
    expect((await forwarding()).sort()).toEqual(['yes', 'yes', 'yes']);
    await ctlOk('sshd-config', '--install', '--group', user.name);
    expect(await readFile(service, 'utf8')).toMatch(
      new RegExp(`pam_dockersh\\.so early client=\\S+ users=${user.name} groups=${user.name}$`, 'm'),
    );
    await ctlOk('sshd-config', '--remove', '--user', user.name);
    expect(await readFile(service, 'utf8')).not.toContain('users=');
    await ctlOk('sshd-module', '--remove');
    expect(await forwarding()).toEqual(['no', 'no', 'no']);
  });

  it('names no module that is not there, and no service', async () => {
    const missing = await ctl('sshd-module', '--install', '--module', '/nonexistent/pam_dockersh.so');
    expect(missing.stderr.toString()).toMatch(/there is no \/nonexistent/);
    await rm(service);
    const nothing = await ctl('sshd-module', '--install', '--module', join(folder, 'pam_dockersh.so'));
    expect(nothing.stderr.toString()).toMatch(/there is no .*pam\.d\/sshd/);
    expect(await ctlOk('sshd-module')).toMatchObject({ state: 'no service' });
  });
});

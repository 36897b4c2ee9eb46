// Asks the join socket as sshd's module does: somebody is there at once, and says why there is no place in a sandbox.

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AdminLogin } from '../../src/protocol/admin.ts';
import { Host } from '../fixtures/host.ts';
import { descriptorsOf, descriptorsSettle } from '../fixtures/kernel/descriptors.ts';
import { control } from '../fixtures/machine.ts';
import { checkout } from '../fixtures/paths.ts';
import { run, runOk } from '../fixtures/process.ts';
import { TestUser } from '../fixtures/users.ts';

/** Of a message. */
const error = 4;
const outside = 5;
const wait = 7;

describe.skipIf(control)('the sockets of ssh connections', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let user: TestUser;

  const policy = (text: string, image = 'host'): Promise<void> =>
    host.setPolicy(`[defaults]\nimage = ${image}\n${text}`);

  beforeAll(async () => {
    host = parts.use(await Host.start());
    user = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(user.uid);
  });

  afterAll(async () => {
    await parts.disposeAsync();
  });

  async function asked(
    name: string,
    ...more: string[]
  ): Promise<{ type: number; ms: number; text: string }[]> {
    return await askedAt('join.sock', name, ...more);
  }

  async function askedAt(
    socket: string,
    name: string,
    ...more: string[]
  ): Promise<{ type: number; ms: number; text: string }[]> {
    const program = join(checkout, 'test/fixtures/ssh/join.py');
    const result = await run('python3', [program, join(host.runFolder, socket), name, ...more]);
    return result.stdout
      .toString()
      .split('\n')
      .filter((line) => line !== '' && line !== 'end')
      .map((line) => line.split(' '))
      .map(([type, ms, , ...text]) => ({ type: Number(type), ms: Number(ms), text: text.join(' ') }));
  }

  it('says at once that somebody is there', async () => {
    const [first] = await asked('nobody-of-this-host');
    expect(first?.type).toBe(wait);
    expect(first?.ms).toBeLessThan(1000);
  });

  it.each([
    ['nobody-of-this-host', /no sandbox.*E_NO_POLICY/],
    ['root', /root cannot have a sandbox.*E_ROOT_LOGIN/i],
  ])('refuses %s', async (name, why) => {
    const answers = await asked(name);
    expect(answers.at(-1)).toMatchObject({ type: error, text: expect.stringMatching(why) });
  });

  it('refuses in maintenance, and beyond the rate of logins', async () => {
    await policy('maintenance = back at noon\n');
    expect((await asked(user.name)).at(-1)?.text).toMatch(/back at noon.*E_MAINTENANCE/);
    await policy('login_rate = 1/1h\n', 'nothing-like-it');
    expect((await asked(user.name)).at(-1)?.text).toMatch(/E_IMAGE_MISSING/);
    expect((await asked(user.name)).at(-1)?.text).toMatch(/E_LOGIN_RATE/);
  });

  it('leaves exempt accounts alone', async () => {
    await policy('exempt = yes\n');
    expect((await asked(user.name)).at(-1)).toMatchObject({ type: outside, text: '/bin/bash' });
  });

  it('lets in nobody by the gateway whom the policy exempts, and refuses as sshd does', async () => {
    await policy('exempt = yes\n');
    const exempt = (await askedAt('gateway.sock', user.name)).at(-1);
    expect(exempt).toMatchObject({ type: error, text: expect.stringContaining('E_EXEMPT') });
    await policy('maintenance = back at noon\n');
    expect((await askedAt('gateway.sock', user.name)).at(-1)?.text).toMatch(/back at noon.*E_MAINTENANCE/);
    expect((await askedAt('gateway.sock', 'root')).at(-1)?.text).toMatch(/E_ROOT_LOGIN/);
    const { logins } = (await host.ctlOk('logins')) as { logins: AdminLogin[] };
    expect(logins[1]).toMatchObject({ user: user.name, what: 'connection', entry: 'gateway' });
  });

  it('refuses where sshd itself would run sftp, for whom that is so', async () => {
    const config = join(host.folder, 'etc/sshd_config');
    const folder = join(host.folder, 'etc/sshd_config.d');
    await mkdir(folder);
    const lines = (subsystem: string): string =>
      `Include ${folder}/*.conf\nHostKey ${host.folder}/etc/key\nSubsystem sftp ${subsystem}\n`;
    await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(host.folder, 'etc/key')]);
    await writeFile(config, `# internal-sftp is what nobody has\n${lines('/usr/lib/openssh/sftp-server')}`);
    await host.killDaemon('SIGTERM');
    await host.startDaemon('--sshd-config', config);
    await policy('', 'nothing-like-it');
    const code = async (): Promise<string> =>
      /E_[A-Z_]+/.exec((await asked(user.name)).at(-1)?.text ?? '')?.[0] ?? '';
    expect(await code()).toBe('E_IMAGE_MISSING');
    await writeFile(config, lines('internal-sftp -l INFO'));
    expect(await code()).toBe('E_SFTP_OUTSIDE');
    await writeFile(join(folder, 'a.conf'), `Match User ${user.name}\n  ForceCommand /bin/true\nMatch all\n`);
    expect(await code()).toBe('E_IMAGE_MISSING');
    await writeFile(
      join(folder, 'a.conf'),
      `Match User ${user.name}\n  ForceCommand internal-sftp\nMatch all\n`,
    );
    await writeFile(config, lines('/usr/lib/openssh/sftp-server'));
    expect(await code()).toBe('E_SFTP_OUTSIDE');
    await writeFile(config, `${lines('internal-sftp')}Nonsense yes\n`); // nobody can tell
    expect(await code()).toBe('E_SFTP_OUTSIDE');
    await rm(join(folder, 'a.conf'));
    await writeFile(config, lines('/usr/lib/openssh/sftp-server'));
    expect(await code()).toBe('E_IMAGE_MISSING');
  });

  it('is remembered, with what authenticated it', async () => {
    await policy('maintenance = x\n');
    const key = Buffer.from('anything').toString('base64');
    await asked(user.name, `publickey ssh-ed25519 ${key}\n`);
    const { logins } = (await host.ctlOk('logins')) as { logins: AdminLogin[] };
    expect(logins[0]).toMatchObject({
      user: user.name,
      what: 'connection',
      from: '192.0.2.7',
      auth: expect.stringMatching(/^publickey SHA256:/),
      outcome: 'E_MAINTENANCE',
    });
  });

  it('keeps nothing of many that are refused, and is root’s alone', async () => {
    await policy('maintenance = x\n');
    const before = await descriptorsOf(host);
    const answers = await asked(user.name, 'password\n', '300');
    expect(answers.filter(({ type }) => type === error).length).toBe(300);
    await descriptorsSettle(host, before);
    const { uid, gid } = user;
    const program = join(checkout, 'test/fixtures/ssh/join.py');
    const denied = await run('/usr/bin/python3', [program, join(host.runFolder, 'join.sock'), user.name], {
      uid,
      gid,
    });
    expect(denied.stderr.toString()).toContain('PermissionError');
  });
});

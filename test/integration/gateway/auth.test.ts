// Logs in at the gateway with OpenSSH's client, by every method, and tries what must not let anybody in. No daemon runs: who
// is in is told so, and gets no session.

import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayStatus } from '../../../src/daemon/gateway/status.ts';
import { freePort } from '../../fixtures/free-port.ts';
import { attemptLogin, inThere } from '../../fixtures/gateway/attempt.ts';
import { Gateway } from '../../fixtures/gateway/gateway.ts';
import { folderPrefixOutsideTmp } from '../../fixtures/leftovers.ts';
import { control } from '../../fixtures/machine.ts';
import { runOk } from '../../fixtures/process.ts';
import { TestUser } from '../../fixtures/users.ts';

const failed = /Permission denied|Too many authentication failures/;

describe.skipIf(control)('logging in at the gateway', () => {
  const parts = new AsyncDisposableStack();
  let folder: string;
  let user: TestUser;

  const inFolder = (name: string): string => join(folder, name);

  async function makeKey(name: string, type = 'ed25519'): Promise<string> {
    await runOk('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', inFolder(name), '-C', name]);
    return inFolder(name);
  }

  const publicKey = async (name: string): Promise<string> =>
    (await runOk('cat', [`${inFolder(name)}.pub`])).trim();

  /** The account's own file. */
  async function authorize(text: string, mode = 0o600): Promise<void> {
    const ssh = join(user.home, '.ssh');
    await mkdir(ssh, { recursive: true, mode: 0o700 });
    await writeFile(join(ssh, 'authorized_keys'), `${text}\n`);
    await chmod(join(ssh, 'authorized_keys'), mode);
    await chmod(ssh, 0o700);
    await chown(ssh, user.uid, user.gid);
    await chown(join(ssh, 'authorized_keys'), user.uid, user.gid);
  }

  async function gatewayWith(...settings: string[]): Promise<Gateway> {
    return await Gateway.start({
      folder: await mkdtemp(`${inFolder('gw-')}`),
      runFolder: folder,
      client: '/usr/bin/true',
      settings: [
        'authorized_keys_files=.ssh/authorized_keys',
        'methods=publickey',
        'pam_service',
        ...settings,
      ],
    });
  }

  interface Attempt {
    readonly keys?: readonly string[];
    readonly name?: string;
    readonly password?: string;
    readonly options?: readonly string[];
  }

  /** What the client says. */
  async function attempt(
    gateway: Gateway,
    { keys = [], name, password, options = [] }: Attempt,
  ): Promise<string> {
    const asked =
      password === undefined
        ? {}
        : { SSH_ASKPASS: inFolder('askpass'), SSH_ASKPASS_REQUIRE: 'force', WORD: password };
    return await attemptLogin({
      port: gateway.port,
      user: name ?? user.name,
      keys: keys.map(inFolder),
      options: ['NumberOfPasswordPrompts=1', ...options],
      env: { PATH: '/usr/bin:/bin', HOME: folder, ...asked },
    });
  }

  beforeAll(async () => {
    folder = await mkdtemp(folderPrefixOutsideTmp);
    parts.defer(() => rm(folder, { recursive: true }));
    await chmod(folder, 0o755);
    user = parts.use(await TestUser.create({ shell: '/bin/bash' }));
    await makeKey('one');
    await makeKey('other', 'ecdsa');
    await makeKey('third', 'rsa');
    await makeKey('ca');
    await writeFile(inFolder('askpass'), '#!/bin/sh\nprintf "%s\\n" "$WORD"\n', { mode: 0o755 });
  });

  afterAll(async () => {
    await parts.disposeAsync();
  });

  describe('with keys', () => {
    let gateway: Gateway;
    beforeAll(async () => {
      gateway = parts.use(await gatewayWith());
    });

    it.each(['one', 'other', 'third'])('lets in by a key of the account (%s)', async (key) => {
      await authorize(await publicKey(key));
      expect(await attempt(gateway, { keys: [key] })).toMatch(inThere);
    });

    it('lets nobody in by another key, as somebody else, or as who is not there', async () => {
      await authorize(await publicKey('one'));
      expect(await attempt(gateway, { keys: ['other'] })).toMatch(failed);
      for (const name of ['root', 'nobody', 'nobody-of-this-host'])
        expect(await attempt(gateway, { keys: ['one'], name }), name).toMatch(failed);
    });

    it('takes no file that others can change', async () => {
      await authorize(await publicKey('one'), 0o620);
      expect(await attempt(gateway, { keys: ['one'] })).toMatch(failed);
      await authorize(await publicKey('one'));
      await chmod(join(user.home, '.ssh'), 0o777);
      expect(await attempt(gateway, { keys: ['one'] })).toMatch(failed);
      await chmod(join(user.home, '.ssh'), 0o700);
      expect(await attempt(gateway, { keys: ['one'] })).toMatch(inThere);
      await chown(join(user.home, '.ssh/authorized_keys'), 1, 1);
      expect(await attempt(gateway, { keys: ['one'] })).toMatch(failed);
    });

    it.each([
      ['from="127.0.0.0/8"', inThere],
      ['from="192.0.2.0/24"', failed],
      ['expiry-time="20200101"', failed],
      ['expiry-time="29990101"', inThere],
      ['cert-authority', failed],
      ['no-such-option', failed],
    ])('goes by the options of the line (%s)', async (option, outcome) => {
      await authorize(`${option} ${await publicKey('one')}`);
      expect(await attempt(gateway, { keys: ['one'] })).toMatch(outcome);
    });
  });

  it('asks a command for keys, which is never run as root', async () => {
    await rm(join(user.home, '.ssh'), { recursive: true, force: true });
    await writeFile(
      inFolder('keys'),
      `#!/bin/sh\n[ "$1" = ${user.name} ] && [ "$(id -u)" != 0 ] && cat ${inFolder('one.pub')}\n`,
    );
    await chmod(inFolder('keys'), 0o755);
    const command = `authorized_keys_command=${inFolder('keys')} %u %t`;
    await using asNobody = await gatewayWith(command, 'authorized_keys_command_user=nobody');
    expect(await attempt(asNobody, { keys: ['one'] })).toMatch(inThere);
    expect(await attempt(asNobody, { keys: ['other'] })).toMatch(failed);
    await using asRoot = await gatewayWith(command, 'authorized_keys_command_user=root');
    expect(await attempt(asRoot, { keys: ['one'] })).toMatch(failed);
    expect(asRoot.log()).toContain('authorized_keys_command is not run');
  });

  describe('with certificates', () => {
    const sign = async (...options: string[]): Promise<void> => {
      await runOk('ssh-keygen', [
        '-q',
        '-s',
        inFolder('ca'),
        '-I',
        'a test',
        ...options,
        inFolder('one.pub'),
      ]);
    };
    const certified = {
      keys: ['one'],
      get options() {
        return [`CertificateFile=${inFolder('one-cert.pub')}`];
      },
    };

    beforeAll(async () => {
      await rm(join(user.home, '.ssh'), { recursive: true, force: true });
    });

    it('lets in whom a certificate of a trusted CA names', async () => {
      await using gateway = await gatewayWith(`trusted_ca=${inFolder('ca.pub')}`);
      await sign('-n', user.name);
      expect(await attempt(gateway, certified)).toMatch(inThere);
      await sign('-n', 'somebody');
      expect(await attempt(gateway, certified)).toMatch(failed);
      await sign();
      expect(await attempt(gateway, certified)).toMatch(failed);
      await sign('-n', user.name, '-V', '20200101:20210101');
      expect(await attempt(gateway, certified)).toMatch(failed);
      expect(gateway.log()).toContain('it has expired');
      await sign('-n', user.name, '-O', 'source-address=192.0.2.0/24');
      expect(await attempt(gateway, certified)).toMatch(failed);
      await sign('-n', user.name, '-O', 'critical:unknown=1');
      expect(await attempt(gateway, certified)).toMatch(failed);
      await sign('-h', '-n', user.name);
      expect(await attempt(gateway, certified)).toMatch(failed);
    });

    it('goes by the principals of a file, and by a line of the account', async () => {
      await writeFile(inFolder(`principals-${user.name}`), '# who may\nfrom="192.0.2.1" far\nstudents\n');
      const file = `principals_file=${inFolder('principals-%u')}`;
      await using gateway = await gatewayWith(`trusted_ca=${inFolder('ca.pub')}`, file);
      for (const [name, outcome] of [
        ['students', inThere],
        ['far', failed],
        [user.name, failed],
      ] as const) {
        await sign('-n', name);
        expect(await attempt(gateway, certified), name).toMatch(outcome);
      }
      await using own = await gatewayWith();
      await authorize(`cert-authority,principals="team" ${await publicKey('ca')}`);
      expect(await attempt(own, certified)).toMatch(failed);
      await sign('-n', 'team');
      expect(await attempt(own, certified)).toMatch(inThere);
    });

    it('lets in nobody whose key or CA is revoked, nor anybody where the list is missing', async () => {
      await authorize(await publicKey('other'));
      await sign('-n', user.name);
      const list = inFolder('revoked');
      await using gateway = await gatewayWith(`trusted_ca=${inFolder('ca.pub')}`, `revoked_keys=${list}`);
      expect(await attempt(gateway, { keys: ['other'] })).toMatch(failed);
      await writeFile(list, '');
      expect(await attempt(gateway, { keys: ['other'] })).toMatch(inThere);
      expect(await attempt(gateway, certified)).toMatch(inThere);
      for (const key of ['ca', 'one']) {
        await writeFile(list, `${await publicKey(key)}\n`);
        expect(await attempt(gateway, certified), key).toMatch(failed);
        expect(await attempt(gateway, { keys: ['other'] }), key).toMatch(inThere);
      }
    });

    it.each([
      ['a key', (): string => `one.pub`, ['one']],
      ['a digest', () => 'sha256.txt', ['one']],
      ['an older digest', () => 'sha1.txt', ['one']],
      ['a serial number', () => 'serial.txt', []],
      ['many serial numbers', () => 'serials.txt', []],
      ['a name', () => 'id.txt', []],
      ['another serial number', () => 'fine.txt', undefined],
    ])('goes by a list of ssh-keygen that has %s', async (_, spec, plain) => {
      const print = (await runOk('ssh-keygen', ['-lf', inFolder('one.pub')])).split(' ')[1];
      await writeFile(inFolder('sha256.txt'), `hash: ${print}\n`);
      await writeFile(inFolder('sha1.txt'), `sha1: ${await publicKey('one')}\n`);
      await writeFile(inFolder('serial.txt'), 'serial: 42\n');
      await writeFile(
        inFolder('serials.txt'),
        'serial: 7\nserial: 40-41\nserial: 42\nserial: 44\nserial: 100-200\n',
      );
      await writeFile(inFolder('id.txt'), 'id: a test\n');
      await writeFile(inFolder('fine.txt'), 'serial: 41\nserial: 43-99\nid: another\n');
      const list = inFolder('list');
      await runOk('ssh-keygen', ['-q', '-k', '-f', list, '-s', inFolder('ca.pub'), inFolder(spec())]);
      await authorize(await publicKey('other'));
      await sign('-n', user.name, '-z', '42');
      await using gateway = await gatewayWith(`trusted_ca=${inFolder('ca.pub')}`, `revoked_keys=${list}`);
      const onlyKey = { keys: ['one'], options: ['PubkeyAcceptedAlgorithms=ssh-ed25519'] };
      expect(await attempt(gateway, certified)).toMatch(plain === undefined ? inThere : failed);
      await authorize(await publicKey('one'));
      expect(await attempt(gateway, onlyKey)).toMatch(plain?.length === 1 ? failed : inThere);
      await writeFile(list, (await readFile(list)).subarray(0, -3));
      expect(await attempt(gateway, onlyKey)).toMatch(failed);
    });
  });

  it('wants two keys where two are asked for, and never the same twice', async () => {
    await authorize(`${await publicKey('one')}\n${await publicKey('other')}`);
    await using gateway = await gatewayWith('methods=publickey,publickey');
    expect(await attempt(gateway, { keys: ['one', 'other'] })).toMatch(inThere);
    const withOne = await attempt(gateway, { keys: ['one'] });
    expect(withOne).toMatch(/partial success/);
    expect(withOne).not.toMatch(inThere);
  });

  it('ends a connection that fails too often, and shows its banner', async () => {
    await authorize(await publicKey('third'));
    await writeFile(inFolder('banner'), 'Authorised people only.\n');
    await using gateway = await gatewayWith('auth_tries=2', `banner=${inFolder('banner')}`);
    const words = await attempt(gateway, { keys: ['one', 'other', 'third'] });
    expect(words).toContain('Authorised people only.');
    expect(words).toContain('Too many authentication failures');
    expect(words).not.toMatch(inThere);
  });

  it('keeps an address out that has failed too often, and ends who does not log in in time', async () => {
    await authorize(await publicKey('one'));
    await using gateway = await gatewayWith('penalties=1', 'penalty_min=12', 'grace_time=1');
    const started = Date.now();
    await new Promise<void>((resolve) => {
      connect(gateway.port, '127.0.0.1')
        .on('data', () => undefined)
        .on('error', () => undefined)
        .on('close', () => resolve());
    });
    expect(Date.now() - started).toBeGreaterThan(500);
    expect(await attempt(gateway, { keys: ['one'] })).toMatch(inThere);
    expect(await attempt(gateway, { keys: ['other'] })).toMatch(failed);
    await expect.poll(() => gateway.log()).toContain('is kept out for a while');
    expect(await attempt(gateway, { keys: ['one'] })).not.toMatch(inThere);
  });

  it.each(['\n', 'GET / HTTP/1.1\r\n\r\n'])('tells whoever speaks no ssh (%j)', async (text) => {
    await using gateway = await gatewayWith();
    const heard: Buffer[] = [];
    await new Promise<void>((resolve) => {
      const client = connect(gateway.port, '127.0.0.1', () => client.end(text));
      client.on('data', (bytes: Buffer) => heard.push(bytes)).on('close', () => resolve());
    });
    expect(Buffer.concat(heard).toString()).toMatch(
      /^SSH-2\.0-[^\r]+\r\n(.|\n)*Invalid SSH identification string\.\r\n$/,
    );
  });

  it('says which of its addresses it can’t have, and takes it when it can', async () => {
    const run = await mkdtemp(inFolder('run-'));
    const other = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    await using _gateway = await Gateway.start({
      folder: await mkdtemp(inFolder('gw-')),
      runFolder: run,
      client: '/usr/bin/true',
      settings: [`web=127.0.0.1:${port}`],
    });
    const unreachable = async () => (await gatewayStatus(run))?.unreachable;
    await expect.poll(unreachable, { timeout: 5000 }).toEqual([`127.0.0.1:${port}`]);
    await new Promise((resolve) => other.close(resolve));
    await expect.poll(unreachable, { timeout: 15_000 }).toEqual([]);
  });

  it('keeps connections that are there when its listener ends', async () => {
    const gateway = await gatewayWith();
    const client = connect(gateway.port, '127.0.0.1');
    const heard: Buffer[] = [];
    client.on('data', (bytes: Buffer) => heard.push(bytes)).on('error', () => undefined);
    await expect.poll(() => Buffer.concat(heard).toString('latin1')).toMatch(/^SSH-2\.0-/);
    await gateway[Symbol.asyncDispose]();
    const before = Buffer.concat(heard).length;
    client.write('SSH-2.0-test\r\n');
    // A packet of no known type: it is read, and answered.
    await expect.poll(() => Buffer.concat(heard).length > before || before > 500).toBe(true);
    expect(client.destroyed).toBe(false);
    client.destroy();
  });

  it('lets others in while one address holds as many connections as it can', async () => {
    await authorize(await publicKey('one'));
    await using gateway = await gatewayWith('max_startups=40 30 100', 'source_startups=20');
    const clients = Array.from({ length: 1000 }, () =>
      connect({ host: '127.0.0.1', port: gateway.port, localAddress: '127.0.0.2' }).on(
        'error',
        () => undefined,
      ),
    );
    const open = (): number => clients.filter((client) => !client.closed && client.bytesRead > 0).length;
    for (const client of clients) client.resume();
    await expect
      .poll(() => clients.filter((client) => client.closed).length, { timeout: 20_000 })
      .toBeGreaterThan(900);
    await expect.poll(open, { timeout: 20_000 }).toBe(20);
    for (let times = 0; times < 3; times += 1)
      expect(await attempt(gateway, { keys: ['one'] })).toMatch(inThere);
    expect(open()).toBe(20);
    for (const client of clients) client.destroy();
  });

  describe('with PAM', () => {
    const service = `dockersh-test-${process.pid}`;
    const file = `/etc/pam.d/${service}`;
    const pam = (text: string): Promise<void> => writeFile(file, text);

    beforeAll(async () => {
      await runOk('chpasswd', [], { input: `${user.name}:Sesame-77\n` });
      await authorize(await publicKey('one'));
    });
    afterAll(async () => {
      await rm(file, { force: true });
    });

    it('asks for passwords, by both methods, and lets nobody in with a wrong one', async () => {
      await pam('auth required pam_unix.so nodelay\naccount required pam_unix.so\n');
      await using gateway = await gatewayWith(
        `pam_service=${service}`,
        'methods=password keyboard-interactive',
      );
      for (const method of ['password', 'keyboard-interactive']) {
        const options = [`PreferredAuthentications=${method}`];
        expect(await attempt(gateway, { password: 'Sesame-77', options }), method).toMatch(inThere);
        for (const password of ['Sesame-78', ''])
          expect(await attempt(gateway, { password, options }), method).toMatch(failed);
        expect(
          await attempt(gateway, { password: 'Sesame-77', options, name: 'nobody-of-this-host' }),
        ).toMatch(failed);
      }
    });

    it('asks for several factors in a row', async () => {
      await pam('auth required pam_unix.so nodelay\naccount required pam_unix.so\n');
      await using gateway = await gatewayWith(
        `pam_service=${service}`,
        'methods=publickey,keyboard-interactive',
      );
      const words = await attempt(gateway, { keys: ['one'], password: 'Sesame-77' });
      expect(words).toMatch(/partial success/);
      expect(words).toMatch(inThere);
      expect(await attempt(gateway, { keys: ['one'], password: 'wrong' })).toMatch(failed);
      expect(await attempt(gateway, { keys: [], password: 'Sesame-77' })).toMatch(failed);
    });

    it('keeps out an account that PAM keeps out, with a key too', async () => {
      await using gateway = await gatewayWith(`pam_service=${service}`);
      await pam('auth required pam_deny.so\naccount required pam_permit.so\n');
      expect(await attempt(gateway, { keys: ['one'] })).toMatch(inThere);
      await pam('auth required pam_permit.so\naccount required pam_deny.so\n');
      expect(await attempt(gateway, { keys: ['one'] })).not.toMatch(inThere);
    });
  });
});

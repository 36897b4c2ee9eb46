// Keys that users keep inside (authorized_keys of the policy), with the real sshd and dockersh-keys as its
// AuthorizedKeysCommand: who gets in by them, and who does not.

import { existsSync, statSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Host } from '../../fixtures/host.ts';
import { control } from '../../fixtures/machine.ts';
import { buildFolder } from '../../fixtures/paths.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, type Finished, run, runOk, waitUntil } from '../../fixtures/process.ts';
import { Sshd } from '../../fixtures/ssh/sshd.ts';
import { TestUser } from '../../fixtures/users.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 });

const path = '/usr/local/bin:/usr/bin:/bin';
const password = 'correct horse';

describe.skipIf(control)('keys that are kept inside', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let sshd: Sshd;
  let reader: TestUser;
  let keysProgram: string;
  /** Both, inside, host. */
  let [both, inside, outside, careful]: TestUser[] = [];
  let policy: Record<string, PolicySection> = {};

  const file = (name: string): string => join(host.folder, name);
  const keyFolder = (): string => `${host.stateFolder}-keys`;
  const copyOf = ({ uid }: TestUser): string => join(keyFolder(), String(uid));

  async function setPolicy(changes: Record<string, PolicySection> = {}): Promise<void> {
    policy = { ...policy, ...changes };
    await host.setPolicy({ defaults: { image: 'host', linger: '0', stop_grace: '1s' }, users: policy });
  }

  beforeAll(async () => {
    host = parts.use(await Host.start({ policy: { defaults: { image: 'host', linger: '0' } } }));
    reader = parts.use(await TestUser.create({ shell: '/usr/sbin/nologin' }));
    await chown(keyFolder(), 0, reader.gid);
    await chmod(keyFolder(), 0o2750);
    // sshd runs nothing that lies below a folder that others can write to, as /tmp is.
    const folder = await mkdtemp('/run/dockersh-test-keys-');
    parts.defer(async () => await rm(folder, { recursive: true }));
    await chmod(folder, 0o755);
    keysProgram = join(folder, 'dockersh-keys');
    await copyFile(join(buildFolder, 'dockersh-keys'), keysProgram);
    await chmod(keysProgram, 0o755);
    const users: TestUser[] = [];
    for (let count = 0; count < 4; count += 1) {
      const user = parts.use(await TestUser.create({ shell: host.client }));
      host.uids.push(user.uid);
      users.push(user);
    }
    [both, inside, outside, careful] = users;
    if (both === undefined || inside === undefined || outside === undefined || careful === undefined) return;
    await setPolicy({
      [both.name]: { authorized_keys: 'both' },
      [inside.name]: { authorized_keys: 'inside' },
      [careful.name]: { authorized_keys: 'inside' },
    });
    for (const name of ['one', 'two', 'ca'])
      await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)]);
    await runOk('chpasswd', [], { input: `${careful.name}:${password}\n` });
    sshd = parts.use(
      await Sshd.start({
        folder: file('sshd'),
        usePam: true,
        extraLines: [
          `AuthorizedKeysCommand ${keysProgram} --folder ${keyFolder()} %U %u`,
          `AuthorizedKeysCommandUser ${reader.name}`,
          `TrustedUserCAKeys ${file('ca.pub')}`,
          `Match User ${inside.name}`,
          'AuthorizedKeysFile none',
          `Match User ${careful.name}`,
          'AuthorizedKeysFile none',
          'KbdInteractiveAuthentication yes',
          'AuthenticationMethods publickey,keyboard-interactive',
        ],
      }),
    );
    for (const { name } of users) await sshd.authorize(name);
  });
  afterAll(async () => {
    await parts.disposeAsync();
  });

  const options = (key: string): string[] => [
    ...['-F', 'none', '-i', key, '-o', 'IdentitiesOnly=yes', '-o', 'StrictHostKeyChecking=no'],
    ...[
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'LogLevel=ERROR',
      '-o',
      'KexAlgorithms=curve25519-sha256',
    ],
  ];

  async function ssh(user: TestUser | undefined, key: string, command: string, env = {}): Promise<Finished> {
    const batch = Object.keys(env).length === 0 ? ['-o', 'BatchMode=yes'] : [];
    const target = ['-p', String(sshd.port), `${user?.name}@127.0.0.1`, command];
    return await run('ssh', [...options(key), ...batch, ...target], { env: { PATH: path, ...env } });
  }

  async function exec(user: TestUser | undefined, script: string): Promise<void> {
    const socket = join(host.runFolder, 'exec.sock');
    const args = ['--socket', socket, user?.name ?? '', '/bin/sh', '-c', script];
    const result = await run(join(host.folder, 'bin/dockersh-exec'), args);
    expect(result.code, describeFinished(result)).toBe(0);
  }

  const publicKey = async (name: string): Promise<string> =>
    (await readFile(file(`${name}.pub`), 'utf8')).trim();
  const write = async (user: TestUser | undefined, ...lines: string[]): Promise<void> =>
    await exec(
      user,
      `umask 077; mkdir -p ~/.ssh; rm -f ~/.ssh/authorized_keys; printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} >~/.ssh/authorized_keys`,
    );

  async function getsIn(user: TestUser | undefined, key: string): Promise<void> {
    const answers = async (): Promise<boolean> =>
      (await ssh(user, key, 'echo in')).stdout.toString() === 'in\n';
    await waitUntil(
      answers,
      `a login of ${user?.name}`,
      20_000,
      () => sshd.log().slice(-3000) + host.logTail(),
    );
  }
  async function staysOut(user: TestUser | undefined, key: string): Promise<void> {
    const result = await ssh(user, key, 'echo in');
    expect(result.code, describeFinished(result)).toBe(255);
    expect(result.stdout.toString()).toBe('');
  }

  it('ssh-copy-id puts one there, and it lets the user in', async () => {
    await staysOut(both, file('one'));
    await mkdir(file('.ssh'), { mode: 0o700 });
    // -f: it would try the key first, and take the way in that it is given for the key's.
    const args = [
      '-f',
      '-i',
      file('one.pub'),
      '-p',
      String(sshd.port),
      '-o',
      `IdentityFile=${sshd.identity}`,
    ];
    const rest = [
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'BatchMode=yes',
    ];
    const copied = await run('ssh-copy-id', [...args, ...rest, `${both?.name}@127.0.0.1`], {
      env: { PATH: path, HOME: host.folder },
    });
    expect(copied.code, describeFinished(copied)).toBe(0);
    await getsIn(both, file('one'));
    await getsIn(both, sshd.identity); // as does the host's
    // And one that the user takes away does not any longer.
    await ssh(both, file('one'), ': >~/.ssh/authorized_keys');
    await waitUntil(async () => (await ssh(both, file('one'), 'true')).code === 255, 'the key to be gone');
  });

  it('count alone, or not at all, as the policy says', async () => {
    await write(inside, await publicKey('one'));
    await getsIn(inside, file('one'));
    await staysOut(inside, sshd.identity);
    await write(outside, await publicKey('one'));
    expect(existsSync(copyOf(outside as TestUser))).toBe(false);
    await staysOut(outside, file('one'));
    await getsIn(outside, sshd.identity);
  });

  it('follow an edit of the policy, without a sandbox', async () => {
    await write(both, await publicKey('one'));
    await getsIn(both, file('one'));
    await setPolicy({ [both?.name ?? '']: { authorized_keys: 'host' } });
    await waitUntil(() => !existsSync(copyOf(both as TestUser)), 'the copy to be gone', 20_000);
    await staysOut(both, file('one'));
    await setPolicy({ [both?.name ?? '']: { authorized_keys: 'both' } });
    await getsIn(both, file('one'));
  });

  it('are asked for by strangers, who start nothing, and survive a restart', async () => {
    await write(inside, await publicKey('one'));
    await waitUntil(
      async () => (await host.sandboxOf(inside as TestUser)) === undefined,
      'the sandbox to stop',
    );
    await host.killDaemon('SIGTERM');
    await staysOut(inside, file('two')); // and with no daemon at all it is told the same
    await host.startDaemon();
    await staysOut(inside, file('two'));
    expect(await host.sandboxOf(inside as TestUser)).toBeUndefined();
    expect(
      host.logRecords().filter(({ msg, user }) => /session|login/.test(msg) && user === 'stranger'),
    ).toEqual([]);
    await getsIn(inside, file('one'));
  });

  it('with a command of their own are held to it, which finds what was asked for', async () => {
    await write(inside, `restrict,command="echo only; echo $SSH_ORIGINAL_COMMAND" ${await publicKey('one')}`);
    await waitUntil(async () => {
      const result = await ssh(inside, file('one'), 'id -u');
      return result.stdout.toString() === 'only\nid -u\n';
    }, 'the forced command');
  });

  it('may be those of an authority, and the host’s authority goes on counting', async () => {
    const { name } = inside as TestUser;
    for (const [key, ca] of [
      ['two', 'one'],
      ['one', 'ca'],
    ] as const) {
      await runOk('ssh-keygen', ['-q', '-s', file(ca), '-I', 'test', '-n', name, file(`${key}.pub`)]);
      await write(inside, `cert-authority ${await publicKey('one')}`);
      await getsIn(inside, file(key));
      await rm(file(`${key}-cert.pub`));
    }
    await staysOut(inside, file('two'));
  });

  it('are the first of two factors', async () => {
    const askpass = file('askpass');
    await writeFile(askpass, `#!/bin/sh\necho '${password}'\n`);
    await chmod(askpass, 0o755);
    const env = { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':0' };
    expect((await ssh(careful, file('one'), 'echo in', env)).code).toBe(255); // the password alone
    await write(careful, await publicKey('one'));
    await waitUntil(() => existsSync(copyOf(careful as TestUser)), 'the copy');
    const result = await ssh(careful, file('one'), 'echo in', env);
    expect(result.stdout.toString(), describeFinished(result) + sshd.log().slice(-2000)).toBe('in\n');
    await staysOut(careful, file('one')); // the key alone
  });

  const good = 'umask 077; rm -rf ~/.ssh ~/x; mkdir ~/.ssh; cp ~/key ~/.ssh/authorized_keys';
  it.each([
    ['a file that everybody may change', 'chmod 666 ~/.ssh/authorized_keys'],
    ['a file that the group may change', 'chmod 620 ~/.ssh/authorized_keys'],
    ['a folder that everybody may change', 'chmod 777 ~/.ssh'],
    ['a home that everybody may change', 'chmod 777 ~'],
    ['a link to a file', 'mv ~/.ssh/authorized_keys ~/x; ln -s ../x ~/.ssh/authorized_keys'],
    ['a link to a file of the host', 'ln -sf /etc/shadow ~/.ssh/authorized_keys'],
    ['a link to a folder', 'mv ~/.ssh ~/x; ln -s x ~/.ssh'],
    ['a pipe that nobody writes to', 'rm ~/.ssh/authorized_keys; mkfifo ~/.ssh/authorized_keys'],
    ['a folder in its place', 'rm ~/.ssh/authorized_keys; mkdir ~/.ssh/authorized_keys'],
    ['a file in place of the folder', 'rm -r ~/.ssh; cp ~/key ~/.ssh'],
    ['a file that is too large', 'yes "#" | head -c 70000 >>~/.ssh/authorized_keys'],
    ['a file that only its owner’s rights keep shut', 'chmod 0 ~/.ssh/authorized_keys'],
  ])('are none in %s', async (_name, script) => {
    await exec(
      inside,
      `chmod 755 ~; rm -rf ~/key; printf '%s\\n' '${await publicKey('one')}' >~/key; ${good}`,
    );
    await waitUntil(() => existsSync(copyOf(inside as TestUser)), 'the copy');
    await exec(inside, script);
    await waitUntil(
      () => !existsSync(copyOf(inside as TestUser)),
      'the copy to be gone',
      20_000,
      () => host.logTail(),
    );
    await exec(inside, `chmod 755 ~; ${good}`);
    await waitUntil(
      () => existsSync(copyOf(inside as TestUser)),
      'the copy to be back',
      20_000,
      () => host.logTail(),
    );
  });

  it('are read by nobody but the user that sshd asks as, and for nobody but the account', async () => {
    await write(inside, await publicKey('one'));
    const { uid, name } = inside as TestUser;
    await waitUntil(() => existsSync(copyOf(inside as TestUser)), 'the copy');
    expect(statSync(copyOf(inside as TestUser)).mode & 0o7777).toBe(0o640);
    const keys = async (as: TestUser, ...args: string[]): Promise<string> =>
      (
        await run(keysProgram, ['--folder', keyFolder(), ...args], { uid: as.uid, gid: as.gid })
      ).stdout.toString();
    expect(await keys(reader, String(uid), name)).toBe(`${await publicKey('one')}\n`);
    expect(await keys(both as TestUser, String(uid), name)).toBe('');
    for (const [id, who] of [
      [String(uid), 'other'],
      [`../${uid}`, name],
      [`${uid}/`, name],
      ['', name],
      [String(uid), ''],
      [String(uid), `${name}\n`],
    ])
      expect(await keys(reader, id ?? '', who ?? '')).toBe('');
    // A file that somebody else could have put there.
    await chown(copyOf(inside as TestUser), uid, reader.gid);
    expect(await keys(reader, String(uid), name)).toBe('');
    await rm(copyOf(inside as TestUser));
  });

  it('are forgotten with the user', async () => {
    await write(inside, await publicKey('one'));
    await waitUntil(() => existsSync(copyOf(inside as TestUser)), 'the copy');
    await host.ctlOk('user', 'forget', '--force', '--yes', inside?.name ?? '');
    expect(await readdir(keyFolder())).not.toContain(String(inside?.uid));
    await staysOut(inside, file('one'));
  });
});

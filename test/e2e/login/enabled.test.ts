// People who log in with their own keys by a real sshd, before they are enabled, while they are, and afterwards.

import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { control, program } from '../../fixtures/machine.ts';
import { type Finished, Running, run, runOk, waitUntil } from '../../fixtures/process.ts';
import { keepPrivilegeSeparationFolder } from '../../fixtures/ssh/sshd.ts';
import type { TestUser } from '../../fixtures/users.ts';
import { AccountsHost } from '../../integration/accounts/accounts-host.ts';

let made: AccountsHost;
let sshd: Running;
let port = 0;
let key = '';

beforeAll(async () => {
  made = await AccountsHost.start();
  key = join(made.host.folder, 'id');
  await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  port = 20_000 + (process.pid % 20_000);
  // As distributions have it: keys in homes, whose modes are looked at.
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    'PidFile none',
    'UsePAM no',
    'StrictModes yes',
    'LogLevel VERBOSE',
  ];
  await appendFile(made.sshdConfig, `${lines.join('\n')}\n`);
  keepPrivilegeSeparationFolder();
  sshd = new Running(program('sshd'), ['-D', '-e', '-f', made.sshdConfig]);
  await waitUntil(() => sshd.exited || sshd.stderr.toString().includes('listening'), 'sshd to listen');
});
afterAll(async () => {
  sshd.kill('SIGTERM');
  await sshd.finished();
  await made[Symbol.asyncDispose]();
});

const options = [
  '-F',
  'none',
  '-o',
  'BatchMode=yes',
  '-o',
  'StrictHostKeyChecking=no',
  '-o',
  'UserKnownHostsFile=/dev/null',
  '-o',
  'LogLevel=ERROR',
  '-o',
  'IdentitiesOnly=yes',
];

async function ssh(user: TestUser, ...args: string[]): Promise<Finished> {
  keepPrivilegeSeparationFolder();
  const all = [...options, '-i', key, '-p', String(port), `${user.name}@127.0.0.1`, ...args];
  const finished = await run('ssh', all);
  // sshd's process for the connection ends a moment after the client's.
  const hasGone = async (): Promise<boolean> =>
    (await run('pgrep', ['-u', String(user.uid), '-f', '^sshd'])).code === 1;
  await waitUntil(hasGone, 'the end of the connection');
  return finished;
}

async function person(): Promise<TestUser> {
  const user = await made.user();
  const text = await readFile(`${key}.pub`, 'utf8');
  await made.asUser(user, `echo '${text.trim()}' >~/.ssh/authorized_keys; chmod 600 ~/.ssh/authorized_keys`);
  return user;
}

async function reloadSshd(): Promise<void> {
  const before = sshd.stderr.toString().split('listening').length;
  sshd.kill('SIGHUP');
  await waitUntil(() => sshd.stderr.toString().split('listening').length > before, 'sshd to listen again');
}

const where = 'readlink /proc/self/ns/pid; cat ~/file';

describe.skipIf(control).each(['shell', 'sshd'] as const)('somebody who is enabled by %s', (how) => {
  it.each(['copy', 'move'] as const)(
    'logs in with the same key as before, inside, with their files (%s)',
    async (files) => {
      const outside = `${await readlink('/proc/self/ns/pid')}\nprecious\n`;
      const user = await person();
      expect((await ssh(user, where)).stdout.toString()).toBe(outside);
      await made.ok('enable', '--how', how, '--files', files, user.name);
      await reloadSshd();
      const inside = await ssh(user, where);
      expect(inside.code, `${inside.stderr.toString()}${sshd.stderr.toString().slice(-2000)}`).toBe(0);
      expect(inside.stdout.toString()).not.toBe(outside);
      expect(inside.stdout.toString()).toContain('precious');
      await writeFile(join(made.host.folder, 'up'), 'uploaded');
      keepPrivilegeSeparationFolder();
      const copied = await run('scp', [
        ...options,
        '-i',
        key,
        '-P',
        String(port),
        join(made.host.folder, 'up'),
        `${user.name}@127.0.0.1:`,
      ]);
      expect(copied.code).toBe(0);
      expect((await ssh(user, 'cat ~/up')).stdout.toString()).toBe('uploaded');
      await made.ok('disable', user.name);
      await reloadSshd();
      expect((await ssh(user, where)).stdout.toString()).toBe(outside);
      expect((await ssh(user, 'ls ~')).stdout.toString().includes('up')).toBe(files === 'move');
    },
  );
});

it.skipIf(control)('reaches nothing of the host by forwarding once sshd sends them to dockersh', async () => {
  const user = await person();
  const folder = join(made.host.folder, 'sockets');
  await mkdir(folder);
  const server = createServer((socket) => socket.end('host\n'));
  await new Promise<void>((resolve) => server.listen(join(folder, 'host.sock'), resolve));
  await runOk('chmod', ['777', join(folder, 'host.sock')]);
  const tcp = createServer((socket) => socket.end('host\n'));
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const address = tcp.address();
  const tcpPort = typeof address === 'object' && address !== null ? address.port : 0;
  const viaTcp = async (): Promise<string> =>
    (await ssh(user, '-W', `127.0.0.1:${tcpPort}`)).stdout.toString();
  const viaSocket = async (name: string): Promise<string> => {
    const local = join(folder, name);
    keepPrivilegeSeparationFolder();
    const forward = ['-N', '-L', `${local}:${join(folder, 'host.sock')}`, `${user.name}@127.0.0.1`];
    await using client = new Running('ssh', [...options, '-i', key, '-p', String(port), ...forward]);
    await waitUntil(() => client.exited || existsSync(local), 'the forward');
    return (await run('nc', ['-N', '-U', local], { input: '' })).stdout.toString();
  };
  expect([await viaTcp(), await viaSocket('before')]).toEqual(['host\n', 'host\n']);
  await made.ok('enable', '--how', 'sshd', user.name);
  await reloadSshd();
  expect([await viaTcp(), await viaSocket('enabled')]).toEqual(['', '']);
  await made.ok('disable', user.name);
  await reloadSshd();
  expect([await viaTcp(), await viaSocket('after')]).toEqual(['host\n', 'host\n']);
  server.close();
  tcp.close();
});

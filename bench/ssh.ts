// Logins through the real sshd on the loopback interface, with OpenSSH's client.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from '../test/fixtures/machine.ts';
import type { SshServer } from '../test/fixtures/ssh/server.ts';
import { Sshd } from '../test/fixtures/ssh/sshd.ts';
import type { Benchmark } from './benchmarks.ts';
import { type Account, as, floorName, ourName, root } from './contenders.ts';
import type { Field } from './field.ts';
import { notAbove } from './figures.ts';
import type { Command } from './spawner.ts';
import { expectStatus, medianOf, rows, takeTurns } from './turns.ts';

const crowd = 50;

async function startSshd(field: Field, users: readonly Account[]): Promise<Sshd> {
  const folder = join(field.host.folder, 'sshd');
  await mkdir(folder, { recursive: true });
  const sshd = await Sshd.start({ folder });
  for (const { name } of users) await sshd.authorize(name);
  return sshd;
}

interface Asked {
  readonly command: string;
  readonly options: readonly string[];
}

const justTrue: Asked = { command: 'true', options: [] };

export function client(server: SshServer, user: string, names = 'root', asked = justTrue): Command {
  const options = [
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'BatchMode=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'GlobalKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'ConnectTimeout=60',
    ...asked.options,
  ];
  const args = ['-F', 'none', '-i', server.identity, '-p', String(server.port)];
  const target = `${user}@127.0.0.1`;
  const all = [...args, ...options.flatMap((option) => ['-o', option]), target, asked.command];
  return { ...as(root, program('ssh'), all), name: names };
}

export const sshWarm: Benchmark = async (field, { rounds = 30 }) => {
  const [plainUser, ourUser] = [
    ...(await field.users(1, '/bin/bash')),
    ...(await field.users(1, field.host.client)),
  ];
  if (plainUser === undefined || ourUser === undefined) throw new Error('no users');
  await using sshd = await startSshd(field, [plainUser, ourUser]);
  const turns = [
    { name: floorName, command: client(sshd, plainUser.name) },
    { name: ourName, command: client(sshd, ourUser.name) },
  ];
  const all = await takeTurns('run', turns, rounds);
  expectStatus(all, 0);
  return {
    benchmark: 'ssh-warm',
    title: 'ssh host true, to a sandbox that runs already (sshd without PAM)',
    unit: 'ms',
    rows: rows(all, ({ us }) => us / 1000),
    goals: [],
    notes: [],
  };
};

export const sshCold: Benchmark = async (field, { rounds = 7 }) => {
  const plainUsers = await field.users(crowd, '/bin/bash');
  const ourUsers = await field.users(crowd, field.host.client);
  await using sshd = await startSshd(field, [...plainUsers, ...ourUsers]);
  const all = (users: readonly Account[]): Command =>
    client(sshd, '{}', users.map(({ name }) => name).join(','));
  const turns = [
    { name: floorName, command: all(plainUsers) },
    { name: ourName, command: all(ourUsers), before: () => field.stop(ourUsers) },
  ];
  const measured = await takeTurns('many', turns, rounds);
  expectStatus(measured, 0);
  await field.stop(ourUsers);
  const table = rows(measured, ({ us }) => us / 1e6);
  return {
    benchmark: 'ssh-cold',
    title: `${crowd} users' first logins at once: ssh host true (sshd without PAM)`,
    unit: 's',
    rows: table,
    goals: [
      notAbove("times plain bash's, at most 1.3", medianOf(table, ourName) / medianOf(table, floorName), 1.3),
    ],
    notes: [],
  };
};

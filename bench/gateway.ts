// Times the gateway beside sshd with our PAM module: a new connection, bulk data through one channel, and the memory of a connection.

import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Gateway } from '../test/fixtures/gateway/gateway.ts';
import { Host } from '../test/fixtures/host.ts';
import { Running } from '../test/fixtures/process.ts';
import { PamService } from '../test/fixtures/ssh/pam-service.ts';
import type { SshServer } from '../test/fixtures/ssh/server.ts';
import { Sshd } from '../test/fixtures/ssh/sshd.ts';
import { TestUser } from '../test/fixtures/users.ts';
import type { Benchmark } from './benchmarks.ts';
import { notAbove, notBelow, summarize } from './figures.ts';
import { client } from './ssh.ts';
import { expectStatus, medianOf, rows, takeTurns } from './turns.ts';

const sshdName = 'sshd with PAM and our module';
const gatewayName = 'the gateway';
const mebibyte = 1024 * 1024;

interface Both extends AsyncDisposable {
  readonly user: string;
  readonly sshd: SshServer;
  readonly gateway: SshServer;
}

export async function startBoth(settings: readonly string[] = []): Promise<Both> {
  const parts = new AsyncDisposableStack();
  const users = parts.use(new AsyncDisposableStack());
  const policy = { defaults: { image: 'host', linger: '1h' } };
  const host = parts.use(await Host.start({ policy, outsideTmp: true }));
  const user = users.use(await TestUser.create({ shell: host.clientInRun }));
  host.uids.push(user.uid);
  const socket = join(host.runFolder, 'join.sock');
  const service = parts.use(
    await PamService.create({ options: [`client=${host.clientInRun}`, `socket=${socket}`] }),
  );
  const [forSshd, forGateway] = [join(host.folder, 'sshd'), join(host.folder, 'gateway')];
  for (const folder of [forSshd, forGateway]) await mkdir(folder);
  const sshd = parts.use(await Sshd.start({ folder: forSshd, usePam: true, pamService: service.name }));
  const { runFolder, clientInRun } = host;
  const gateway = parts.use(
    await Gateway.start({
      folder: forGateway,
      runFolder,
      client: clientInRun,
      settings: ['spare_processes=8', ...settings],
    }),
  );
  for (const server of [sshd, gateway]) await server.authorize(user.name);
  return { user: user.name, sshd, gateway, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

export const gatewayConnection: Benchmark = async (_, { rounds = 40 }) => {
  await using both = await startBoth();
  // A process for the next one is made ahead: what is timed is a connection that finds one.
  const before = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300));
  const turns = [
    { name: sshdName, command: client(both.sshd, both.user), before },
    { name: gatewayName, command: client(both.gateway, both.user), before },
  ];
  const all = await takeTurns('run', turns, rounds);
  expectStatus(all, 0);
  const table = rows(all, ({ us }) => us / 1000);
  const times = medianOf(table, gatewayName) / medianOf(table, sshdName);
  return {
    benchmark: 'gateway-connection',
    title: 'ssh host true, to a sandbox that runs already',
    unit: 'ms',
    rows: table,
    goals: [notAbove("times sshd's, at most 1.5", times, 1.5)],
    notes: [],
  };
};

export const gatewayBulk: Benchmark = async (_, { rounds = 3, quick }) => {
  await using both = await startBoth();
  const bytes = (quick ? 512 : 8192) * mebibyte;
  const command = (server: SshServer, cipher: string) =>
    client(server, both.user, 'root', {
      command: `head -c ${bytes} /dev/zero`,
      options: [`Ciphers=${cipher}`],
    });
  const kinds = ['aes128-gcm@openssh.com', 'chacha20-poly1305@openssh.com'];
  const turns = kinds.flatMap((cipher) => [
    { name: `${sshdName}, ${cipher}`, command: command(both.sshd, cipher) },
    { name: `${gatewayName}, ${cipher}`, command: command(both.gateway, cipher) },
  ]);
  const all = await takeTurns('read', turns, rounds);
  expectStatus(all, 0);
  const table = rows(all, ({ us, count }) => count / mebibyte / (us / 1e6));
  const goals = kinds.map((cipher) => {
    const of = (name: string): number => medianOf(table, `${name}, ${cipher}`);
    return notBelow(`of sshd's with ${cipher}, at least 0.5`, of(gatewayName) / of(sshdName), 0.5);
  });
  return {
    benchmark: 'gateway-bulk',
    title: `${bytes / mebibyte} MiB through one channel, to the client`,
    unit: 'MiB/s',
    rows: table,
    goals,
    notes: [],
  };
};

function memoryOf(pids: readonly number[]): number {
  const kib = (pid: number): number =>
    Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  return pids.reduce((sum, pid) => sum + kib(pid), 0);
}

function below(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
    .map(Number);
  return children.flatMap((child) => [child, ...below(child)]);
}

const connections = 10;

/** What ten connections take that sleep, one by one. */
async function perConnection(server: SshServer, user: string): Promise<number[]> {
  const before = memoryOf(below(server.pid));
  await using clients = new AsyncDisposableStack();
  const found: number[] = [];
  for (let count = 1; count <= connections; count += 1) {
    const { file, args } = client(server, user, 'root', { command: 'echo ready; sleep 600', options: [] });
    const running = clients.use(new Running(file, args, { stdio: 'pipe' }));
    await running.waitForOutput(/ready/);
    found.push((memoryOf(below(server.pid)) - before) / count);
  }
  return found;
}

export const gatewayMemory: Benchmark = async () => {
  await using both = await startBoth();
  const table = [
    { name: sshdName, ...summarize(await perConnection(both.sshd, both.user)) },
    { name: gatewayName, ...summarize(await perConnection(both.gateway, both.user)) },
  ];
  return {
    benchmark: 'gateway-memory',
    title: `Memory (PSS) of a connection with a session, of ${connections}`,
    unit: 'KiB',
    rows: table,
    goals: [],
    notes: ['of the server’s processes; what runs in the sandbox is not among them'],
  };
};

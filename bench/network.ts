// Measures what a private network costs: logins with one beside logins without, bytes and requests through it beside a plain pair
// of devices, and our own memory. Everything happens in network namespaces of the benchmark's own.

import { join } from 'node:path';
import { callAdmin } from '../src/cli/client.ts';
import { Host } from '../test/fixtures/host.ts';
import { addresses, Internet } from '../test/fixtures/network/internet.ts';
import { buildFolder, checkout } from '../test/fixtures/paths.ts';
import { type Running, run, runOk, waitUntil } from '../test/fixtures/process.ts';
import { supervisorOf } from '../test/fixtures/supervisor.ts';
import { TestUser } from '../test/fixtures/users.ts';
import type { Benchmark } from './benchmarks.ts';
import { type Account, ours } from './contenders.ts';
import { pssOf } from './field.ts';
import { type Goal, notAbove, notBelow, type Row, summarize } from './figures.ts';
import { expectStatus, medianOf, rows, takeTurns } from './turns.ts';

const without = 'network = none';
const withOne = 'network = private';
const plain = 'plain veth pair';

/** The host's own, where the servers are: one pair of devices away from the sandbox, and from the internet. */
const address = addresses.host.v4;

/** A host of its own with an internet behind it, and two users who differ in nothing but their network. */
class NetworkField implements AsyncDisposable {
  readonly internet: Internet;
  readonly host: Host;
  readonly accounts: Readonly<Record<'none' | 'private', Account>>;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    internet: Internet,
    host: Host,
    accounts: NetworkField['accounts'],
    stack: AsyncDisposableStack,
  ) {
    this.internet = internet;
    this.host = host;
    this.accounts = accounts;
    this.#stack = stack;
  }

  static async create(): Promise<NetworkField> {
    await using stack = new AsyncDisposableStack();
    const internet = stack.use(await Internet.create());
    const users = stack.use(new AsyncDisposableStack());
    const host = stack.use(await Host.start({ network: internet.host }));
    const none = users.use(await TestUser.create({ shell: '/bin/bash' }));
    const given = users.use(await TestUser.create({ shell: '/bin/bash' }));
    host.uids.push(none.uid, given.uid);
    await host.setPolicy({
      defaults: { image: 'host', linger: 'forever', stop_grace: '0', network: 'none' },
      // What is measured is more than the bounds let through.
      users: {
        [given.name]: { network: 'private', connections: 'none', new_connections: 'none', open_out: address },
      },
    });
    await host.killDaemon('SIGTERM');
    await host.startDaemon('--log-level', 'info');
    return new NetworkField(internet, host, { none, private: given }, stack.move());
  }

  async stop(account: Account): Promise<void> {
    const socketPath = join(this.host.runFolder, 'admin.sock');
    await callAdmin('stop', { user: account.name }, { socketPath });
    await waitUntil(async () => (await this.host.sandboxOf(account)) === undefined, 'the sandbox to be gone');
  }

  /** Inside the private network. */
  async inside(command: string, input?: string | Buffer): Promise<string> {
    const { uid, gid } = this.accounts.private;
    return await runOk(this.host.client, ['-c', command], {
      uid,
      gid,
      ...(input === undefined ? {} : { input }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function logins(kind: 'cold' | 'warm', title: string, most: number): Benchmark {
  return async (_, { rounds = kind === 'cold' ? 60 : 200 }) => {
    await using field = await NetworkField.create();
    const turns = [
      { name: without, account: field.accounts.none },
      { name: withOne, account: field.accounts.private },
    ].map(({ name, account }) => {
      const stop = async (): Promise<void> => await field.stop(account);
      const contender = ours(account, field.host.client, stop, name);
      const command = contender[kind]?.('true');
      if (command === undefined) throw new Error('no login');
      return { name, command, before: kind === 'cold' ? stop : undefined };
    });
    const all = await takeTurns('run', turns, rounds);
    expectStatus(all, 0);
    const table = rows(all, ({ us }) => us / 1000);
    const over = medianOf(table, withOne) - medianOf(table, without);
    return {
      benchmark: `network-${kind}`,
      title,
      unit: 'ms',
      rows: table,
      goals: [notAbove(`ms over a sandbox without a network, at most ${most}`, over, most)],
      notes: [],
    };
  };
}

export const networkCold = logins('cold', 'The first login, which starts the sandbox: -c true', 1.5);
export const networkWarm = logins(
  'warm',
  'A command in a sandbox that runs already, with a network: -c true',
  0.1,
);

const source = join(checkout, 'bench/pingpong.c');
const program = join(buildFolder, 'bench-pingpong');

/** Each in turn: from the sandbox to the host, and to the host from the other end of its uplink, which is a plain pair. */
async function inTurns(
  field: NetworkField,
  rounds: number,
  command: string,
  figure: (output: string) => number,
): Promise<Row[]> {
  const figures: Record<string, number[]> = { [plain]: [], [withOne]: [] };
  for (let round = -1; round < rounds; round += 1) {
    const outputs = {
      [plain]: await field.internet.internet.ok('sh', '-c', command),
      [withOne]: await field.inside(command),
    };
    for (const [name, output] of Object.entries(outputs)) if (round >= 0) figures[name]?.push(figure(output));
  }
  return Object.entries(figures).map(([name, values]) => ({ name, ...summarize(values) }));
}

const share = (table: readonly Row[]): number => medianOf(table, withOne) / medianOf(table, plain);

export const networkBytes: Benchmark = async (_, { rounds = 5, quick }) => {
  await using field = await NetworkField.create();
  await using server = field.internet.host.start('iperf3', ['--server', '--forceflush']);
  await server.waitForOutput('listening');
  const seconds = quick ? 1 : 3;
  const table = await inTurns(field, rounds, `iperf3 -J -t ${seconds} -c ${address}`, (output) => {
    const { end } = JSON.parse(output) as { end: { sum_received: { bits_per_second: number } } };
    return end.sum_received.bits_per_second / 1e9;
  });
  return {
    benchmark: 'network-bytes',
    title: 'One TCP stream from the sandbox to the host, through the rules',
    unit: 'Gbit/s',
    rows: table,
    goals: [notBelow("of a plain pair's, at least 0.9", share(table), 0.9)],
    notes: [],
  };
};

export const networkRequests: Benchmark = async (_, { rounds = 7, quick }) => {
  await using field = await NetworkField.create();
  await runOk('gcc', ['-std=c17', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-o', program, source]);
  await using server: Running = field.internet.host.start(program, []);
  await server.waitForOutput('ready');
  // The host image shows the host's /usr, and the home is the sandbox's own.
  await field.inside('cat > pingpong && chmod 755 pingpong', await readProgram());
  const requests = quick ? 5_000 : 50_000;
  const connections = quick ? 200 : 2_000;
  const run = (what: string, number: number): string =>
    `p=./pingpong; [ -x $p ] || p=${program}; $p ${what} ${address} ${number}`;
  const round = await inTurns(field, rounds, run('request', requests), Number);
  const connect = await inTurns(field, rounds, run('connect', connections), Number);
  const goals: Goal[] = [
    notBelow("of a plain pair's requests, at least 0.9", share(round), 0.9),
    notBelow("of a plain pair's connections, at least 0.8", share(connect), 0.8),
  ];
  const named = (table: readonly Row[], what: string): Row[] =>
    table.map((row) => ({ ...row, name: `${what}, ${row.name}` }));
  return {
    benchmark: 'network-requests',
    title: 'Requests of one byte, answered, over one connection; connections that are made and answered',
    unit: '1/s',
    rows: [...named(round, 'requests'), ...named(connect, 'connections')],
    goals,
    notes: [],
  };
};

async function readProgram(): Promise<Buffer> {
  return (await run('cat', [program])).stdout;
}

/** Of our own; what the kernel takes is in docs/decisions.md. */
export const networkMemory: Benchmark = async () => {
  await using field = await NetworkField.create();
  const table: Row[] = [];
  for (const [kind, name] of [
    ['none', without],
    ['private', withOne],
  ] as const) {
    const account = field.accounts[kind];
    const { uid, gid } = account;
    await runOk(field.host.client, ['-c', 'true'], { uid, gid });
    const sandbox = await field.host.sandboxOf(account);
    if (sandbox === undefined) throw new Error('the sandbox does not run');
    const { supervisor, spawner } = supervisorOf(sandbox.initPid);
    const value = pssOf(sandbox.initPid) + pssOf(supervisor) + pssOf(spawner);
    table.push({ name, median: value, min: value, max: value, rounds: 1 });
  }
  const over = medianOf(table, withOne) - medianOf(table, without);
  return {
    benchmark: 'network-memory',
    title: 'Memory of our own processes for a sandbox (PSS)',
    unit: 'KiB',
    rows: table,
    goals: [notAbove('KiB more with a network, at most 20', over, 20)],
    notes: [],
  };
};

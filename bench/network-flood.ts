// Measures how long a neighbour waits for a connection and for a name while one user floods the network, and how many
// connections of the flood the host then tracks.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Host } from '../test/fixtures/host.ts';
import { folderPrefix } from '../test/fixtures/leftovers.ts';
import { addresses, Internet, peerPort } from '../test/fixtures/network/internet.ts';
import { buildFolder, checkout } from '../test/fixtures/paths.ts';
import { Running, run, runOk } from '../test/fixtures/process.ts';
import { TestUser } from '../test/fixtures/users.ts';
import type { Benchmark } from './benchmarks.ts';
import { type Goal, notAbove, percentile, type Row, summarize } from './figures.ts';

/** What flood.c calls them. The first floods nothing: what it makes a neighbour wait, a processor that is busy does. */
const kinds = ['spin', 'syn', 'udp', 'dns', 'conntrack'] as const;
const processes = 4;
const usualSeconds = 6;
/** A connection or a name beside a flood may take this long, however short it is beside a busy processor. */
const alwaysGoodMs = 20;
/** The default bound of one sandbox, what its questions for names take (native/relay/serve/sandbox.h), and the neighbour's. */
const mostTracked = 4096 + 5000 + 1500;

interface Waited {
  readonly connect: number[];
  readonly lookup: number[];
}

export const networkFlood: Benchmark = async (_, { rounds: seconds = usualSeconds }) => {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(`${folderPrefix}flood-`);
  stack.defer(async () => await rm(folder, { recursive: true, force: true }));
  const text = 'nameserver 127.0.0.53\n';
  const internet = stack.use(await Internet.create({ resolvConf: { folder, text } }));
  const fakeDns = join(checkout, 'test/fixtures/network/fake-dns.py');
  const server = stack.use(internet.host.start('/usr/bin/python3', [fakeDns, '127.0.0.53']));
  await server.waitForOutput('ready');
  const users = stack.use(new AsyncDisposableStack());
  const host = stack.use(await Host.start({ network: internet.host }));
  const attacker = users.use(await TestUser.create({ shell: '/bin/bash' }));
  const neighbour = users.use(await TestUser.create({ shell: '/bin/bash' }));
  host.uids.push(attacker.uid, neighbour.uid);
  const free = { root: 'yes', nesting: 'yes' };
  await host.setPolicy({
    defaults: { image: 'host', linger: 'forever', stop_grace: '0', network: 'private' },
    users: { [attacker.name]: free },
  });
  const program = join(buildFolder, 'bench-flood');
  const source = join(checkout, 'bench/flood.c');
  await runOk('gcc', [
    '-std=c17',
    '-D_GNU_SOURCE',
    '-O2',
    '-static',
    '-Wall',
    '-Wextra',
    '-o',
    program,
    source,
  ]);
  const as = ({ uid, gid }: TestUser, command: string, input?: Buffer): Promise<string> =>
    runOk(host.client, ['-c', command], { uid, gid, timeoutMs: 120_000, ...(input && { input }) });
  await as(attacker, 'cat > flood && chmod 755 flood', (await run('cat', [program])).stdout);
  await as(neighbour, 'cat > wait.py', await readFile(join(checkout, 'bench/network-flood.py')));
  const resolver = /nameserver (\S+)/.exec(await as(neighbour, 'cat /etc/resolv.conf'))?.[1] ?? '';
  const waits = async (): Promise<Waited> =>
    JSON.parse(
      await as(neighbour, `python3 wait.py ${seconds} ${addresses.far.v4} ${peerPort} ${resolver}`),
    ) as Waited;

  const before = await waits();
  const table: Row[] = rowsOf('alone', before);
  const goals: Goal[] = [];
  const notes = [`p99 alone: ${p99s(before)}`];
  let usual = before;
  for (const kind of kinds) {
    const command = `./flood ${kind} ${seconds + 2} ${processes} ${addresses.far.v4} ${resolver}`;
    await using flood = new Running(host.client, ['-c', command], { uid: attacker.uid, gid: attacker.gid });
    await sleep(1000);
    const now = await waits();
    const tracked = Number(await internet.host.ok('cat', '/proc/sys/net/netfilter/nf_conntrack_count'));
    const { stdout } = await flood.finished(60_000);
    table.push(...rowsOf(kind, now));
    notes.push(
      `${kind}: ${stdout.toString().trim()} times; p99 ${p99s(now)}; the host tracks ${tracked} connections`,
    );
    if (kind === 'spin') usual = now;
    else {
      for (const what of ['connect', 'lookup'] as const) {
        const most = Math.max(alwaysGoodMs, 3 * percentile(usual[what], 99));
        goals.push(
          notAbove(
            `ms for a ${what} at p99 beside "${kind}", at most ${most.toFixed(0)}`,
            percentile(now[what], 99),
            most,
          ),
        );
      }
    }
    goals.push(notAbove(`connections that the host tracks beside "${kind}"`, tracked, mostTracked));
  }
  return {
    benchmark: 'network-flood',
    title: `A neighbour's connections and names while one user floods the network with ${processes} processes`,
    unit: 'ms',
    rows: table,
    goals,
    notes,
  };
};

const rowsOf = (name: string, { connect, lookup }: Waited): Row[] => [
  { name: `connect, ${name}`, ...summarize(connect) },
  { name: `lookup, ${name}`, ...summarize(lookup) },
];

const p99s = ({ connect, lookup }: Waited): string =>
  `connect ${percentile(connect, 99).toFixed(1)} ms, lookup ${percentile(lookup, 99).toFixed(1)} ms`;

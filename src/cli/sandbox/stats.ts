// dockershctl stats and top: show what every sandbox uses of what it may, once or again and again.

import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { humanSize } from '../../lib/text/human.ts';
import type { Column } from '../../lib/text/table.ts';
import type { AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';

type Stats = AdminResult<'stats'>;
type Usage = Stats['sandboxes'][number];
/** With the CPUs that it used between two answers; null where that is not known. */
type Row = Usage & { readonly cpusUsed: number | null; readonly carried: Carried | null };

/** What a private network carries each second. */
type Carried = NonNullable<Usage['network']>;

const columns: Column[] = [
  { header: 'USER' },
  { header: 'SESSIONS', align: 'right' },
  { header: 'CPU', align: 'right' },
  { header: 'MEMORY', align: 'right' },
  { header: 'KILLED', align: 'right' },
  { header: 'PROCESSES', align: 'right' },
  { header: 'DISK', align: 'right' },
  { header: 'FILES', align: 'right' },
  { header: 'IN/S', align: 'right' },
  { header: 'OUT/S', align: 'right' },
  { header: 'WAITS FOR CPU/MEMORY/IO', align: 'right' },
];

const orders = {
  cpu: (row: Row) => row.cpusUsed ?? 0,
  memory: (row: Row) => row.memoryBytes ?? 0,
  processes: (row: Row) => row.pids ?? 0,
  disk: (row: Row) => row.disk?.bytes ?? 0,
  sessions: (row: Row) => row.sessions,
  network: (row: Row) => (row.carried === null ? 0 : row.carried.bytesIn + row.carried.bytesOut),
} as const;
type Order = keyof typeof orders;

export function addStats(program: Command, console: () => Console): void {
  program
    .command('stats')
    .description('show what every sandbox uses of its limits, measured over one second')
    .option('--sort <column>', 'cpu, memory, processes, disk, network or sessions', asOrder, 'cpu')
    .action(async ({ sort }: { sort: Order }) => {
      const cli = console();
      const before = await cli.call('stats', {});
      await delay(1000);
      const after = await cli.call('stats', {});
      const rows = sorted(rowsOf(before, after), sort);
      cli.show({ host: after.host, sandboxes: rows }, () => textOf(cli, after, rows));
    });
}

const clear = '\x1b[H\x1b[2J';

export function addTop(program: Command, console: () => Console): void {
  program
    .command('top')
    .description('show stats on a terminal, updated until Ctrl-C')
    .option('--sort <column>', 'cpu, memory, processes, disk, network or sessions', asOrder, 'cpu')
    .option('--interval <seconds>', 'seconds between two updates', asSeconds, 2)
    .action(async ({ sort, interval }: { sort: Order; interval: number }) => {
      const cli = console();
      if (cli.stdout.isTTY !== true) throw usage('top needs a terminal; "dockershctl stats" does not');
      let before = await cli.call('stats', {});
      let pauseMs = Math.min(500, interval * 1000); // the first look soon
      while (true) {
        await delay(pauseMs);
        pauseMs = interval * 1000;
        const after = await cli.call('stats', {});
        const lines = textOf(cli, after, sorted(rowsOf(before, after), sort)).split('\n');
        cli.stdout.write(clear + lines.slice(0, Math.max(3, (cli.stdout.rows || 24) - 1)).join('\n'));
        before = after;
      }
    });
}

function usage(message: string): CliFailure {
  return new CliFailure({ code: 'E_USAGE', message, exitCode: sysexits.usage });
}

function asOrder(text: string): Order {
  if (Object.hasOwn(orders, text)) return text as Order;
  throw usage(`--sort ${text}: it is none of ${Object.keys(orders).join(', ')}`);
}

function asSeconds(text: string): number {
  const seconds = Number(text);
  if (seconds >= 0.2 && seconds <= 3600) return seconds;
  throw usage(`--interval ${text}: it is no number of seconds from 0.2 to 3600`);
}

function rowsOf(before: Stats, after: Stats): Row[] {
  const usec = (after.atMs - before.atMs) * 1000;
  const earlier = new Map(before.sandboxes.map((one) => [one.uid, one]));
  return after.sandboxes.map((one) => {
    const { cpuUsec: was = null, network = null } = earlier.get(one.uid) ?? {};
    const used = was === null || one.cpuUsec === null ? null : (one.cpuUsec - was) / usec;
    const carried = carriedBetween(network, one.network, (after.atMs - before.atMs) / 1000);
    return { ...one, cpusUsed: used === null ? null : Math.max(0, used), carried };
  });
}

/** A sandbox that was started anew counts anew. */
function carriedBetween(was: Carried | null, is: Carried | null, seconds: number): Carried | null {
  if (was === null || is === null) return null;
  const rate = (key: keyof Carried): number => Math.max(0, Math.round((is[key] - was[key]) / seconds));
  return {
    bytesIn: rate('bytesIn'),
    bytesOut: rate('bytesOut'),
    packetsIn: rate('packetsIn'),
    packetsOut: rate('packetsOut'),
  };
}

function sorted(rows: readonly Row[], order: Order): Row[] {
  const by = orders[order];
  return rows.toSorted((a, b) => by(b) - by(a) || a.user.localeCompare(b.user));
}

function textOf(cli: Console, { host, sandboxes }: Stats, rows: readonly Row[]): string {
  const sessions = sandboxes.reduce((sum, one) => sum + one.sessions, 0);
  const head = [
    `${ofMost(sandboxes.length, host.mostSandboxes, String)} sandboxes`,
    `${ofMost(sessions, host.mostSessions, String)} sessions`,
    `${ofMost(host.promisedBytes, host.mostMemoryBytes, humanSize)} of memory promised`,
    `the host has ${humanSize(host.memoryBytes)} and ${host.cpus} CPUs`,
  ];
  return `${head.join(', ')}\n${cli.table(columns, rows.map(cells))}`;
}

function cells(row: Row): string[] {
  const { pressure, disk, carried } = row;
  return [
    row.user,
    String(row.sessions),
    ofMost(row.cpusUsed, row.cpus, (cpus) => cpus.toFixed(2)),
    memoryOf(row),
    row.oomKilled === null ? '-' : String(row.oomKilled),
    ofMost(row.pids, row.pidsLimit, String),
    disk === null ? '-' : ofMost(disk.bytes, disk.limitBytes, humanSize),
    disk === null ? '-' : ofMost(disk.inodes, disk.inodesLimit, String),
    carried === null ? '-' : carriedText(carried.bytesIn, carried.packetsIn),
    carried === null ? '-' : carriedText(carried.bytesOut, carried.packetsOut),
    pressure === null ? '-' : `${pressure.cpu}% ${pressure.memory}% ${pressure.io}%`,
  ];
}

/** Bytes, and packets. */
const carriedText = (bytes: number, packets: number): string => `${humanSize(bytes)} ${packets}p`;

/** Swap is shown where there is some: nearly nowhere. */
function memoryOf({ memoryBytes, memoryLimitBytes, swapBytes }: Row): string {
  const memory = ofMost(memoryBytes, memoryLimitBytes, humanSize);
  return swapBytes === null || swapBytes === 0 ? memory : `${memory} +${humanSize(swapBytes)}`;
}

function ofMost(used: number | null, most: number | null, format: (value: number) => string): string {
  const shown = used === null ? '?' : format(used);
  return most === null ? shown : `${shown} / ${format(most)}`;
}

// Measures what is asked of a host with many users: the metrics of two hundred sandboxes, and the audit trail of a hundred thousand
// logins, beside a search for the same word in its files.

import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Trail } from '../src/daemon/audit/trail.ts';
import { createLogger } from '../src/lib/log.ts';
import { type AbsolutePath, resolved } from '../src/lib/values/absolute-path.ts';
import { ctlBundle, nodeProgram } from '../test/fixtures/paths.ts';
import { runOk } from '../test/fixtures/process.ts';
import type { Benchmark } from './benchmarks.ts';
import type { Field } from './field.ts';
import { notAbove, summarize } from './figures.ts';
import { timedInTurns } from './turns.ts';

const crowd = 200;
const logins = 100_000;
const users = 500;

async function metricsOf({ host }: Field): Promise<string> {
  const socketPath = join(host.runFolder, 'metrics.sock');
  return await new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/metrics' }, (response) => resolve(text(response)));
    asked.on('error', reject).end();
  });
}

export const metrics: Benchmark = async (field, { rounds = 30 }) => {
  const asked = async (): Promise<number[]> => {
    const ms: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const started = performance.now();
      await metricsOf(field);
      ms.push(performance.now() - started);
    }
    return ms;
  };
  const without = await asked();
  const accounts = await field.users(crowd, field.host.client);
  for (const { uid, gid } of accounts) await runOk(field.host.client, ['-c', 'true'], { uid, gid });
  const served = await metricsOf(field);
  const missing = accounts.filter(({ name }) => !served.includes(`user="${name}"`));
  if (missing.length > 0) throw new Error(`the metrics lack ${missing.length} of ${crowd} users`);
  const withThem = await asked();
  await field.stop(accounts);
  return {
    benchmark: 'metrics',
    title: 'All metrics, from the socket',
    unit: 'ms',
    rows: [
      { name: 'no sandbox', ...summarize(without) },
      { name: `${crowd} sandboxes`, ...summarize(withThem) },
    ],
    goals: [notAbove(`ms for ${crowd} sandboxes, below 50`, summarize(withThem).median, 50)],
    notes: [`${Math.round(served.length / 1024)} KiB each time`],
  };
};

/** A login and its end for each, as the daemon writes them. */
function writeTrail(folder: AbsolutePath): void {
  using trail = Trail.open({
    folder,
    retention: () => ({ keepMs: 1e12, mostBytes: 1e12 }),
    log: createLogger({ level: 'silent' }),
  });
  for (let count = 0; count < logins; count += 1) {
    const session = count.toString(16).padStart(10, '0');
    const user = `student${count % users}`;
    const about = { session, uid: 1000 + (count % users), user, from: `203.0.113.${count % 250}` };
    const policy = ['dockersh.ini:1 [defaults]', 'dockersh.ini:12 [group students]'];
    const command = `make -C project${count % 7} test`;
    trail.add('login', { ...about, image: 'lab/base:1', policy, command }, { begins: session });
    trail.add(
      'session-closed',
      { ...about, cause: 'exit', status: count % 3, ms: count, cpuMs: 17, peakBytes: 4096 * count },
      { ends: session },
    );
  }
}

export const auditFilter: Benchmark = async (_, { rounds = 10 }) => {
  const folder = resolved(await mkdtemp('/var/tmp/dockersh-test-'));
  try {
    writeTrail(folder);
    const audit = [ctlBundle, '--json', 'audit', 'ls', '--folder', folder];
    const commands = [
      { name: 'the runtime alone', line: [nodeProgram, '--eval', '0'] },
      { name: "grep -r for a user's name", line: ['grep', '-rhF', '"user":"student42"', folder] },
      { name: 'dockershctl audit, one user', line: [nodeProgram, ...audit, '--user', 'student42'] },
      { name: 'dockershctl audit, one address', line: [nodeProgram, ...audit, '--from', '203.0.113.42'] },
    ];
    const table = await timedInTurns(commands, rounds);
    const worst = Math.max(...table.map(({ median }) => median));
    return {
      benchmark: 'audit-filter',
      title: `The audit trail of ${logins} logins, filtered`,
      unit: 'ms',
      rows: table,
      goals: [notAbove('ms, below 1000', worst, 1000)],
      notes: [],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

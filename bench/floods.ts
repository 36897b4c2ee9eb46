// Measures how long a neighbour waits for a warm login while one user floods the login socket, by what the flood says.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkout } from '../test/fixtures/paths.ts';
import { Running, runOk } from '../test/fixtures/process.ts';
import type { Benchmark } from './benchmarks.ts';
import { type Account, as } from './contenders.ts';
import { type Goal, notAbove, percentile, type Row, summarize } from './figures.ts';
import { Spawner } from './spawner.ts';

/** What hostile.c calls them. */
const kinds = ['empty', 'garbage', 'descriptors', 'fields', 'logins', 'waits'] as const;
const processes = 4;
const floodSeconds = 6;
/** Between a login's end and the next one: a person's neighbours do not log in without a pause. */
const pauseMs = 5;
/** A login beside a flood may take this long, however short it is without. */
const alwaysGoodMs = 50;

async function loginsFor(neighbour: Account, client: string, ms: number): Promise<number[]> {
  await using spawner = await Spawner.start('run', [as(neighbour, client, ['-c', 'true'], 'dockersh')]);
  await spawner.measure(0);
  const took: number[] = [];
  for (const end = performance.now() + ms; performance.now() < end; await sleep(pauseMs)) {
    const { us, status } = await spawner.measure(0);
    if (status !== 0) throw new Error(`the neighbour's login ended with ${status}`);
    took.push(us / 1000);
  }
  return took;
}

export const floods: Benchmark = async (field, { rounds = floodSeconds }) => {
  const { host, account: neighbour } = field;
  const [attacker] = await field.users(1, '/bin/sh');
  if (attacker === undefined) throw new Error('no attacker');
  const { uid, gid, name } = attacker;
  // Whatever the attacker asks for is refused: every connection is one more refusal.
  await host.setPolicy({
    defaults: { image: 'host', linger: 'forever' },
    users: { [name]: { maintenance: 'closed' } },
  });
  const hostile = join(host.folder, 'bin/hostile');
  await runOk('gcc', ['-O1', '-o', hostile, join(checkout, 'test/integration/attacks/hostile.c')]);
  const socket = join(host.runFolder, 'login.sock');

  const quiet = await loginsFor(neighbour, host.client, rounds * 1000);
  const rows: Row[] = [{ name: 'without', ...summarize(quiet) }];
  const most = Math.max(alwaysGoodMs, 5 * percentile(quiet, 99));
  const goals: Goal[] = [];
  const notes = [`p99 without: ${percentile(quiet, 99).toFixed(1)} ms`];
  for (const kind of kinds) {
    const before = host.logRecords().length;
    await using flood = new Running(hostile, [socket, 'flood', kind, String(rounds), String(processes)], {
      uid,
      gid,
    });
    await sleep(200);
    const took = await loginsFor(neighbour, host.client, (rounds - 1) * 1000);
    const { stdout } = await flood.finished();
    rows.push({ name: kind, ...summarize(took) });
    goals.push(
      notAbove(`ms at p99 beside "${kind}", at most ${most.toFixed(0)}`, percentile(took, 99), most),
    );
    notes.push(
      `${kind}: ${stdout.toString().trim()} connections, ${host.logRecords().length - before} lines of log`,
    );
    await sleep(1000);
  }
  return {
    benchmark: 'floods',
    title: `A neighbour's warm login while one user floods the login socket with ${processes} processes`,
    unit: 'ms',
    rows,
    goals,
    notes,
  };
};

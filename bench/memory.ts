// Memory of our own processes in an idle sandbox.

import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../test/fixtures/process.ts';
import type { Benchmark } from './benchmarks.ts';
import { type Account, as } from './contenders.ts';
import type { Field } from './field.ts';
import { notAbove, type Row } from './figures.ts';
import { expectStatus, takeTurns } from './turns.ts';

const crowd = 20;

export const memory: Benchmark = async (field) => {
  const users = [field.account, ...(await field.users(crowd - 1, field.host.client))];
  await field.stop(users);
  // Supervisors that were started ahead belong to no sandbox yet.
  const before = await settled(field);
  const notes = [`with no sandbox: ${describe(before)}`];
  const table: Row[] = [];
  for (const count of [1, crowd]) {
    await logInOnce(field, users.slice(0, count));
    const now = await settled(field);
    const each = (now.pssKiB - before.pssKiB) / count;
    table.push({ name: `${count} idle`, median: each, min: each, max: each, rounds: 1 });
    notes.push(`with ${count} idle: ${describe(now)}`);
  }
  await field.stop(users);
  const worst = Math.max(...table.map(({ median }) => median));
  return {
    benchmark: 'memory',
    title: 'Memory of our own processes for each idle sandbox (PSS), beyond what there is without any',
    unit: 'KiB',
    rows: table,
    goals: [notAbove('KiB for each sandbox, at most 400', worst, 400)],
    notes: [...notes, `the daemon itself: ${field.daemonMemory()} KiB`],
  };
};

interface Memory {
  pssKiB: number;
  processes: number;
}

function describe({ pssKiB, processes }: Memory): string {
  return `${processes} processes with ${pssKiB} KiB`;
}

/** What is measured once it has stopped changing: after a login a session is reaped, a supervisor started. */
async function settled(field: Field): Promise<Memory> {
  let last = field.sandboxMemory();
  await waitUntil(async () => {
    await sleep(500);
    const now = field.sandboxMemory();
    const same = now.pssKiB === last.pssKiB && now.processes === last.processes;
    last = now;
    return same;
  }, 'the memory of idle sandboxes to settle');
  return last;
}

async function logInOnce(field: Field, users: readonly Account[]): Promise<void> {
  const turns = users.map((user) => ({
    name: user.name,
    command: as(user, field.host.client, ['-c', 'true'], 'dockersh'),
  }));
  expectStatus(await takeTurns('run', turns, 1), 0);
}

// Memory of our own processes in an idle sandbox.

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
  const before = field.sandboxMemory();
  const table: Row[] = [];
  for (const count of [1, crowd]) {
    const some = users.slice(0, count);
    await logInOnce(field, some);
    const { pssKiB, processes } = field.sandboxMemory();
    const each = pssKiB / count;
    const name = `${count} idle, ${processes} processes`;
    table.push({ name, median: each, min: each, max: each, rounds: 1 });
  }
  await field.stop(users);
  const worst = Math.max(...table.map(({ median }) => median));
  return {
    benchmark: 'memory',
    title: 'Memory of our own processes for each idle sandbox (PSS)',
    unit: 'KiB',
    rows: table,
    goals: [notAbove('KiB for each sandbox, at most 400', worst, 400)],
    notes: [
      `with no sandbox there are ${before.processes} such processes with ${before.pssKiB} KiB`,
      `the daemon itself has ${field.daemonMemory()} KiB`,
    ],
  };
};

async function logInOnce(field: Field, users: readonly Account[]): Promise<void> {
  const turns = users.map((user) => ({
    name: user.name,
    command: as(user, field.host.client, ['-c', 'true'], 'dockersh'),
  }));
  expectStatus(await takeTurns('run', turns, 1), 0);
}

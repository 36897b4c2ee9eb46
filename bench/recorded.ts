// Measures what a recorded terminal costs: its throughput, and the first prompt of a login, beside those of a terminal that is kept
// and not recorded, and of one that neither is.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Benchmark } from './benchmarks.ts';
import { type Contender, ours } from './contenders.ts';
import type { Field } from './field.ts';
import { notAbove, notBelow, summarize } from './figures.ts';
import { expectStatus, medianOf, type Rounds, rows, type Turn, takeTurns } from './turns.ts';

const mebibyte = 1024 * 1024;
/** As between two logins of a person: by then the file of the next recording is there (src/daemon/recordings/spare.ts). */
const fileReadyMs = 600;
const settings = {
  'as it is': [],
  kept: ['on_hangup = keep', 'keep_for = 1s'],
  recorded: ['record = yes', 'record_size = none', 'record_total = none', 'record_notice = none'],
} as const;
type Name = keyof typeof settings;

/** A user for each, whose sandbox runs. */
async function terminals(field: Field): Promise<Contender[]> {
  const names = Object.keys(settings) as Name[];
  const users = await field.users(names.length, '/bin/bash');
  const sections = users.map(({ name }, index) =>
    [`[user:${name}]`, ...settings[names[index] ?? 'kept'], ''].join('\n'),
  );
  await field.host.setPolicy(['[defaults]', 'image = host', 'linger = forever', '', ...sections].join('\n'));
  return users.map((user, index) =>
    ours(user, field.host.client, () => field.stop([user]), names[index] ?? ''),
  );
}

async function measured(
  field: Field,
  kind: 'numbers' | 'prompt',
  command: (contender: Contender) => Turn['command'] | undefined,
  rounds: number,
): Promise<Rounds[]> {
  const turns = (await terminals(field)).flatMap((contender) => {
    const found = command(contender);
    const before = kind === 'prompt' ? async () => await sleep(fileReadyMs) : undefined;
    return found === undefined ? [] : [{ name: contender.name, command: found, before }];
  });
  return await takeTurns(kind, turns, rounds);
}

/** Of neighbours in a round: what else the machine does meets both. */
function ratio(all: readonly Rounds[], name: Name, other: Name): number {
  const of = (wanted: Name): number[] =>
    all.find((entry) => entry.name === wanted)?.measurements.map(({ us }) => us) ?? [];
  const others = of(other);
  return summarize(of(name).map((us, round) => (others[round] ?? Number.NaN) / us)).median;
}

export const terminalRecorded: Benchmark = async (field, { rounds = 7, quick }) => {
  const lines = quick ? 1_000_000 : 10_000_000;
  const all = await measured(field, 'numbers', ({ warm }) => warm?.(`seq ${lines}`, true), rounds);
  expectStatus(all, 0);
  let bytes = 2 * lines;
  for (let power = 1; power <= lines; power *= 10) bytes += lines - power + 1;
  const lost = all.filter(({ measurements }) => measurements.some(({ count }) => count !== lines));
  if (lost.length > 0) throw new Error(`${lost.map(({ name }) => name).join(', ')}: lines were lost`);
  return {
    benchmark: 'terminal-recorded',
    title: `A terminal, ${lines} numbered lines, each one checked`,
    unit: 'MiB/s',
    rows: rows(all, ({ us }) => bytes / mebibyte / (us / 1e6)),
    goals: [
      notBelow("of a kept terminal's, at least 0.95", ratio(all, 'recorded', 'kept'), 0.95),
      notBelow("of a terminal's as it is, at least 0.95", ratio(all, 'recorded', 'as it is'), 0.95),
    ],
    notes: [],
  };
};

export const promptRecorded: Benchmark = async (field, { rounds = 50 }) => {
  const all = await measured(field, 'prompt', ({ prompt }) => prompt?.(), rounds);
  expectStatus(all, 7);
  const table = rows(all, ({ us }) => us / 1000);
  const more = medianOf(table, 'recorded') - medianOf(table, 'as it is');
  return {
    benchmark: 'prompt-recorded',
    title: 'First prompt of an interactive login to a sandbox that runs already',
    unit: 'ms',
    rows: table,
    goals: [notAbove('ms over that of a terminal as it is, at most 0.3', more, 0.3)],
    notes: [],
  };
};

// The benchmarks, one function each, and the goals that this project has set itself.

import { type Contender, enterName, floorName, keptName, ourName } from './contenders.ts';
import type { Field } from './field.ts';
import { type Goal, notAbove, notBelow, type Result, type Row, summarize } from './figures.ts';
import type { Command } from './spawner.ts';
import { expectStatus, medianOf, type Rounds, rows, type Turn, takeTurns } from './turns.ts';

export interface Options {
  /** How many rounds instead of the benchmark's own number. */
  rounds: number | undefined;
  /** A tenth of the data; the throughput figures are rougher then. */
  quick: boolean;
  /** How long a benchmark that goes by time lasts instead of its own. */
  seconds?: number | undefined;
}

export type Benchmark = (field: Field, options: Options) => Promise<Result>;

const mebibyte = 1024 * 1024;
const inMs = ({ us }: { us: number }): number => us / 1000;

function turnsOf(
  contenders: readonly Contender[],
  turn: (contender: Contender) => Omit<Turn, 'name'> | undefined,
) {
  return contenders.flatMap((contender): Turn[] => {
    const own = turn(contender);
    return own === undefined ? [] : [{ name: contender.name, ...own }];
  });
}

function notesOf(contenders: readonly Contender[]): string[] {
  return contenders.flatMap(({ name, note }) => (note === undefined ? [] : [`${name} ${note}`]));
}

export const warm: Benchmark = async (field, { rounds = 200 }) => {
  const { contenders, absent } = await field.contenders();
  const turns = turnsOf(contenders, ({ warm }) =>
    warm === undefined ? undefined : { command: warm('true') },
  );
  const all = await takeTurns('run', turns, rounds);
  expectStatus(all, 0);
  const table = rows(all, inMs);
  const over = medianOf(table, ourName) - medianOf(table, floorName);
  return {
    benchmark: 'warm',
    title: 'A command in a sandbox that runs already: -c true',
    unit: 'ms',
    rows: table,
    goals: [
      notAbove('ms over the plain shell, at most 1.5', over, 1.5),
      notAbove('times a bare setns(2), at most 1.3', timesOf(table, enterName), 1.3),
    ],
    notes: [...notesOf(contenders), ...absent],
  };
};

/** How our median is to another's. */
const timesOf = (table: readonly Row[], name: string): number =>
  medianOf(table, ourName) / medianOf(table, name);

/** A goal that there is only where the other takes part. */
const besides = (table: readonly Row[], name: string, goal: (times: number) => Goal): Goal[] =>
  table.some((row) => row.name === name) ? [goal(timesOf(table, name))] : [];

const atOnce = 8;

export const burst: Benchmark = async (field, { rounds = 50 }) => {
  const { contenders } = await field.contenders();
  const own = contenders.filter(
    ({ name }) => name === floorName || name === ourName || name === 'the other build',
  );
  // Of one command with as many names, each process is one.
  const names = Array.from({ length: atOnce }, (_, index) => String(index)).join(',');
  const turns = turnsOf(own, ({ warm }) => warm && { command: { ...warm('true'), name: names } });
  const all = await takeTurns('many', turns, rounds);
  expectStatus(all, 0);
  const table = rows(all, ({ us }) => (atOnce * 1e6) / us);
  return {
    benchmark: 'burst',
    title: `Commands a second in a sandbox that runs already, ${atOnce} at once: -c true`,
    unit: '/s',
    rows: table,
    goals: [notBelow("of the plain shell's, at least 0.75", timesOf(table, floorName), 0.75)],
    notes: [],
  };
};

export const cold: Benchmark = async (field, { rounds = 30 }) => {
  const { contenders, absent } = await field.contenders();
  const turns = turnsOf(contenders, ({ cold, beforeCold }) =>
    cold === undefined ? undefined : { command: cold('true'), before: beforeCold },
  );
  const all = await takeTurns('run', turns, rounds);
  expectStatus(all, 0);
  const table = rows(all, inMs);
  return {
    benchmark: 'cold',
    title: 'A command in a sandbox that has to be started: -c true',
    unit: 'ms',
    rows: table,
    goals: [
      notAbove('ms, at most 8', medianOf(table, ourName), 8),
      ...besides(table, 'bwrap', (times) => notAbove("times bwrap's, at most 1.25", times, 1.25)),
    ],
    notes: [...notesOf(contenders), ...absent],
  };
};

export const prompt: Benchmark = async (field, { rounds = 50 }) => {
  const { contenders: others } = await field.contenders();
  const contenders = [...others, await field.kept()];
  const turns = turnsOf(contenders, ({ prompt }) =>
    prompt === undefined ? undefined : { command: prompt() },
  );
  const all = await takeTurns('prompt', turns, rounds);
  expectStatus(all, 7);
  const table = rows(all, inMs);
  const over = medianOf(table, ourName) - medianOf(table, floorName);
  return {
    benchmark: 'prompt',
    title: 'First prompt of an interactive login to a sandbox that runs already',
    unit: 'ms',
    rows: table,
    goals: [
      notAbove(
        'ms more where sessions are kept, at most 0.3',
        medianOf(table, keptName) - medianOf(table, ourName),
        0.3,
      ),
      notAbove('ms over plain bash, at most 2.5', over, 2.5),
      ...besides(table, 'crun', (times) => notAbove("times crun's, at most 1", times, 1)),
    ],
    notes: ["the shell of dockersh, the plain one and crun's reads the profile that its own file system has"],
  };
};

function perSecond(table: readonly Rounds[], bytesOf: (count: number) => number) {
  return rows(table, ({ us, count }) => bytesOf(count) / mebibyte / (us / 1e6));
}

/** The ratio of each round's neighbours is steadier than that of medians on a machine that others use. */
function ratio(all: readonly Rounds[]): number {
  const of = (name: string): number[] =>
    all.find((entry) => entry.name === name)?.measurements.map(({ us }) => us) ?? [];
  const floor = of(floorName);
  return summarize(of(ourName).map((us, round) => (floor[round] ?? Number.NaN) / us)).median;
}

function expectWhole(all: readonly Rounds[], wanted: number): string[] {
  const notes: string[] = [];
  for (const { name, measurements } of all) {
    const broken = measurements.filter(({ count }) => count !== wanted).length;
    if (broken === 0) continue;
    const text = `${name} lost data in ${broken} of ${measurements.length} rounds`;
    if (name === floorName || name === ourName) throw new Error(text);
    notes.push(text);
  }
  return notes;
}

/** A command in a running container where there is one, else in a fresh one. */
const enter = ({ warm, cold }: Contender): Contender['warm'] => warm ?? cold;

interface Direction {
  benchmark: string;
  title: string;
  kind: 'read' | 'write';
  /** The contender's end of the pipe; undefined where it takes no part. */
  end: (contender: Contender, bytes: number) => Command | undefined;
}

function pipe({ benchmark, title, kind, end }: Direction): Benchmark {
  return async (field, { rounds = 7, quick }) => {
    const { contenders } = await field.contenders();
    const bytes = (quick ? 512 : 8192) * mebibyte;
    const turns = turnsOf(contenders, (contender) => {
      const command = end(contender, bytes);
      return command === undefined ? undefined : { command };
    });
    const all = await takeTurns(kind, turns, rounds);
    expectStatus(all, 0);
    const notes = expectWhole(all, bytes);
    return {
      benchmark,
      title: `${title}, ${bytes / mebibyte} MiB`,
      unit: 'MiB/s',
      rows: perSecond(all, (count) => count),
      goals: [notBelow("of the plain shell's, at least 0.95", ratio(all), 0.95)],
      notes,
    };
  };
}

export const pipeOut = pipe({
  benchmark: 'pipe-out',
  title: 'Stdout into a pipe',
  kind: 'read',
  end: (contender, bytes) => enter(contender)?.(`head -c ${bytes} /dev/zero`),
});

export const pipeIn = pipe({
  benchmark: 'pipe-in',
  title: 'A pipe into stdin',
  kind: 'write',
  end: (contender, bytes) => {
    const command = enter(contender)?.('wc -c');
    return command && { ...command, args: [...command.args, String(bytes)] };
  },
});

export const terminal: Benchmark = async (field, { rounds = 7, quick }) => {
  const { contenders: others } = await field.contenders();
  const contenders = [...others, await field.kept()];
  const lines = quick ? 1_000_000 : 10_000_000;
  const turns = turnsOf(contenders, (contender) => {
    const command = enter(contender)?.(`seq ${lines}`, true);
    return command === undefined ? undefined : { command };
  });
  const all = await takeTurns('numbers', turns, rounds);
  const notes = expectWhole(all, lines);
  expectStatus(all, 0);
  const bytes = bytesOfNumbers(lines);
  const rates = perSecond(all, () => bytes);
  return {
    benchmark: 'terminal',
    title: `A terminal, ${lines} numbered lines, each one checked`,
    unit: 'MiB/s',
    rows: rates,
    goals: [
      notBelow(
        'of that without, where sessions are kept, at least 0.95',
        medianOf(rates, keptName) / medianOf(rates, ourName),
        0.95,
      ),
      notBelow("of the plain shell's, at least 0.8", ratio(all), 0.8),
      ...besides(rates, 'bwrap', (times) => notBelow("of bwrap's, at least 0.95", times, 0.95)),
    ],
    notes,
  };
};

/** Bytes of "1\r\n2\r\n…" up to the number. */
function bytesOfNumbers(last: number): number {
  let bytes = 2 * last;
  for (let power = 1; power <= last; power *= 10) bytes += last - power + 1;
  return bytes;
}

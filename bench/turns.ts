// Rounds in which every contender takes its turn, so that whatever else the machine does meets all.

import { run } from '../test/fixtures/process.ts';
import { type Row, summarize } from './figures.ts';
import { type Command, type Kind, type Measurement, Spawner } from './spawner.ts';

export interface Turn {
  name: string;
  command: Command;
  /** Before each measurement, not timed. */
  before?: (() => Promise<void>) | undefined;
}

export interface Rounds {
  name: string;
  measurements: Measurement[];
}

/** One round that does not count, then `rounds` that do; who begins changes every round. */
export async function takeTurns(kind: Kind, turns: readonly Turn[], rounds: number): Promise<Rounds[]> {
  await using spawner = await Spawner.start(
    kind,
    turns.map(({ command }) => command),
  );
  const all = turns.map(({ name }): Rounds => ({ name, measurements: [] }));
  for (let round = -1; round < rounds; round++) {
    for (let offset = 0; offset < turns.length; offset++) {
      const index = (Math.max(round, 0) + offset) % turns.length;
      await turns[index]?.before?.();
      const measurement = await spawner.measure(index);
      if (round >= 0) all[index]?.measurements.push(measurement);
    }
  }
  return all;
}

/** Fails when a run did not end as it must: a figure of something that went wrong is worse than none. */
export function expectStatus(all: readonly Rounds[], status: number): void {
  for (const { name, measurements } of all) {
    const wrong = measurements.find((measurement) => measurement.status !== status);
    if (wrong !== undefined) throw new Error(`${name} ended with ${wrong.status} instead of ${status}`);
  }
}

export function rows(all: readonly Rounds[], value: (measurement: Measurement) => number): Row[] {
  return all.map(({ name, measurements }) => ({ name, ...summarize(measurements.map(value)) }));
}

export function medianOf(table: readonly Row[], name: string): number {
  return table.find((row) => row.name === name)?.median ?? Number.NaN;
}

interface TimedProgram {
  readonly name: string;
  readonly line: readonly string[];
}

/** How long each takes from its start to its end, in ms, in turns; it must succeed. For what takes long enough to time from here. */
export async function timedInTurns(programs: readonly TimedProgram[], rounds: number): Promise<Row[]> {
  const timed = programs.map((each) => ({ ...each, ms: [] as number[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { line, ms } of timed) {
      const [program = '', ...args] = line;
      const started = performance.now();
      const { code } = await run(program, args);
      ms.push(performance.now() - started);
      if (code !== 0) throw new Error(`${line.join(' ')} ended with ${code}`);
    }
  }
  return timed.map(({ name, ms }) => ({ name, ...summarize(ms) }));
}

// Rounds in which every contender takes its turn, so that whatever else the machine does meets all.

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

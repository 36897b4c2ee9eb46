// Numbers: summaries of rounds, goals, and how both are printed.

export interface Summary {
  median: number;
  min: number;
  max: number;
  rounds: number;
}

export interface Row extends Summary {
  name: string;
}

export interface Goal {
  text: string;
  value: number;
  limit: number;
  met: boolean;
}

export interface Result {
  benchmark: string;
  title: string;
  unit: string;
  rows: Row[];
  goals: Goal[];
  /** What a reader of the figures has to know. */
  notes: string[];
}

export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return {
    median,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    rounds: sorted.length,
  };
}

/** The value that `percent` of all are not above; NaN where there is none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export function notAbove(text: string, value: number, limit: number): Goal {
  return { text, value, limit, met: value <= limit };
}

export function notBelow(text: string, value: number, limit: number): Goal {
  return { text, value, limit, met: value >= limit };
}

export function formatResult(result: Result): string {
  const { title, unit, rows, goals, notes } = result;
  const cells = [
    ['', `median ${unit}`, 'min', 'max', 'rounds'],
    ...rows.map((row) => [
      row.name,
      figure(row.median),
      figure(row.min),
      figure(row.max),
      String(row.rounds),
    ]),
  ];
  const widths = [0, 1, 2, 3, 4].map((index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, index) =>
        index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0),
      )
      .join('  '),
  );
  const checks = goals.map(
    ({ text, value, met }) => `  ${met ? 'reached' : 'MISSED '}  ${text}: ${figure(value)}`,
  );
  return [`\n${title}`, ...lines, ...checks, ...notes.map((note) => `  ${note}`), ''].join('\n');
}

function figure(value: number): string {
  if (Number.isNaN(value)) return '-';
  return value >= 1000 ? value.toFixed(0) : value >= 100 ? value.toFixed(1) : value.toFixed(2);
}

// Adds up lines of the audit trail by user, and by month where that is asked for. Pure.

import type { AuditLine } from '../../lib/audit/filter.ts';

/** What one user has used. */
export interface UsageRow {
  /** "2026-11", in UTC; null: all of the time asked for. */
  readonly month: string | null;
  readonly user: string;
  logins: number;
  /** Logins and ssh connections that were refused. */
  refused: number;
  /** How long sessions that have ended were there, all together. */
  sessionSeconds: number;
  /** Of their leaders, and all that these have waited for. */
  cpuSeconds: number;
  /** The largest process of any of them. */
  peakBytes: number;
  /** Processes that the kernel has ended for want of memory, as far as they have a line. */
  outOfMemory: number;
}

const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** What a line of a kind adds. */
const adding: Readonly<Record<string, (row: UsageRow, line: AuditLine) => void>> = {
  login: (row) => {
    row.logins += 1;
  },
  'login-refused': (row) => {
    row.refused += 1;
  },
  'session-closed': (row, { ms, cpuMs, peakBytes }) => {
    row.sessionSeconds += numberOf(ms) / 1000;
    row.cpuSeconds += numberOf(cpuMs) / 1000;
    row.peakBytes = Math.max(row.peakBytes, numberOf(peakBytes));
  },
  'out-of-memory': (row) => {
    row.outOfMemory += 1;
  },
};

export class UsageSum {
  readonly #byMonth: boolean;
  readonly #rows = new Map<string, UsageRow>();

  constructor(byMonth: boolean) {
    this.#byMonth = byMonth;
  }

  add(line: AuditLine): void {
    const add = adding[line.event];
    const { user, uid } = line;
    if (add === undefined || uid === undefined) return;
    const whose = typeof user === 'string' ? user : String(uid);
    const month = this.#byMonth ? line.at.slice(0, '2026-11'.length) : null;
    const key = `${month} ${whose}`;
    const nothing = { logins: 0, refused: 0, sessionSeconds: 0, cpuSeconds: 0, peakBytes: 0, outOfMemory: 0 };
    const row = this.#rows.get(key) ?? { month, user: whose, ...nothing };
    this.#rows.set(key, row);
    add(row, line);
  }

  /** By month, and whoever has used most CPU time first. Seconds to the millisecond. */
  rows(): UsageRow[] {
    const exact = (seconds: number): number => Math.round(seconds * 1000) / 1000;
    return [...this.#rows.values()]
      .map((row) => ({
        ...row,
        sessionSeconds: exact(row.sessionSeconds),
        cpuSeconds: exact(row.cpuSeconds),
      }))
      .sort(
        (one, other) =>
          (one.month ?? '').localeCompare(other.month ?? '') ||
          other.cpuSeconds - one.cpuSeconds ||
          one.user.localeCompare(other.user),
      );
  }
}

/** Comma-separated values (RFC 4180) with a line of names. */
export function csvOf(rows: readonly UsageRow[]): string {
  const names = [
    'month',
    'user',
    'logins',
    'refused',
    'sessionSeconds',
    'cpuSeconds',
    'peakBytes',
    'outOfMemory',
  ] as const;
  const quoted = (value: string | number | null): string => {
    const text = String(value ?? '');
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = rows.map((row) => names.map((name) => quoted(row[name])).join(','));
  return [names.join(','), ...lines, ''].join('\r\n');
}

// Chains the lines of the audit trail: each is one JSON object that names the SHA-256 sum of the line before it, so that
// nobody can change, remove or put in a line without changing all that follow. Pure.

import { createHash } from 'node:crypto';

/** Before the first line of all. */
export const noLine = '0'.repeat(64);

/** Where a trail stands: the number of its last line, and its sum in hexadecimal digits. */
export interface Head {
  readonly seq: number;
  readonly sum: string;
}

export const emptyHead: Head = { seq: 0, sum: noLine };

/** What every line has besides what it tells. */
export interface Link {
  readonly seq: number;
  /** ISO 8601, with milliseconds. */
  readonly at: string;
  readonly event: string;
  /** Sum of the line before, without its newline. */
  readonly prev: string;
}

export const sumOf = (line: string | Buffer): string => createHash('sha256').update(line).digest('hex');

/** The next line, without a newline, and where the trail stands with it. The links come first: see openIds(). */
export function nextLine(head: Head, at: string, event: string, facts: object): { line: string; head: Head } {
  const seq = head.seq + 1;
  const line = JSON.stringify({ seq, at, prev: head.sum, event, ...facts });
  return { line, head: { seq, sum: sumOf(line) } };
}

/** The links of a line; undefined where it is none of ours. */
export function linkOf(line: string): Link | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { seq, at, event, prev } = value as Partial<Record<keyof Link, unknown>>;
  const isLink =
    Number.isSafeInteger(seq) &&
    typeof at === 'string' &&
    typeof event === 'string' &&
    typeof prev === 'string' &&
    /^[0-9a-f]{64}$/.test(prev);
  return isLink ? { seq: seq as number, at, event, prev } : undefined;
}

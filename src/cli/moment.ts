// Reads a moment as people write it: "2h" (ago), "2026-11-29", "2026-11-29 14:30", or ISO 8601. Pure.

import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../lib/text/units.ts';

export const momentHelp = '"2h" ago, "2026-11-29", "2026-11-29 14:30", or ISO 8601';

const local = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2}))?)?$/;

/** ISO 8601 in UTC; undefined where it is no moment. Without a zone it is the host's time. */
export function parseMoment(text: string, now = Date.now()): string | undefined {
  const ago = parseDuration(text);
  if (ago.ok && Number.isFinite(ago.value)) return iso(now - ago.value);
  const match = local.exec(text);
  if (match === null) return /[zZ]$|[+-]\d\d:?\d\d$/.test(text) ? iso(Date.parse(text)) : undefined;
  const [year = 0, month = 1, day = 1, ...time] = match.slice(1).map((part) => Number(part ?? 0));
  const date = new Date(year, month - 1, day, ...(time as [number, number, number]));
  // "2026-02-31" would be taken for the third of March.
  return date.getMonth() === month - 1 && date.getDate() === day ? iso(date.getTime()) : undefined;
}

function iso(ms: number): string | undefined {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** The value of an option. */
export function momentOption(text: string): string {
  const at = parseMoment(text);
  if (at !== undefined) return at;
  throw new InvalidArgumentError('a time such as 2h, 2026-11-29 or "2026-11-29 14:30" is needed.');
}

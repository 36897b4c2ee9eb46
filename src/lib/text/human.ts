// Sizes and durations as people read them: rounded, where src/lib/text/units.ts is exact.

import { formatDuration } from './units.ts';

const units = ['B', 'K', 'M', 'G', 'T'];

/** "0B", "980K", "1.5G": at most one digit after the point, written as a policy file would have it. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.5 and more would be shown as 1024 of its unit.
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = value >= 9.95 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '');
  return `${digits}${units[unit] ?? ''}`;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** "42s", "5m10s", "3h20m", "12d4h": two units at the most; 0 for what is over already. */
export function humanDuration(ms: number): string {
  const step = ms >= day ? hour : ms >= hour ? minute : second;
  return formatDuration(Math.max(0, Math.floor(ms / step) * step));
}

/** "712µs", "12.3ms", "1.4s", then as humanDuration: steps of a login. */
export function humanMicroseconds(us: number): string {
  if (us < 999.5) return `${Math.round(us)}µs`;
  const ms = us / 1000;
  if (ms < 999.5) return `${ms < 99.95 ? ms.toFixed(1) : ms.toFixed(0)}ms`;
  const seconds = ms / 1000;
  return seconds < 59.95 ? `${seconds.toFixed(1)}s` : humanDuration(ms);
}

const week = 7 * day;
const month = 30 * day;
const year = 365 * day;
const spans: readonly (readonly [number, string])[] = [
  [year, 'year'],
  [month, 'month'],
  [week, 'week'],
  [day, 'day'],
  [hour, 'hour'],
  [minute, 'minute'],
  [second, 'second'],
];

/** "3 weeks ago", as docker has it; "-" for a time that is not known. */
export function humanAgo(time: string | null, now = Date.now()): string {
  if (time === null) return '-';
  const ms = Math.max(0, now - Date.parse(time));
  // Of months and years there are two before they are spoken of: "13 months" says more than "1 year".
  const [length, name] = spans.find(([span]) => ms >= (span >= week ? 2 * span : span)) ?? [second, 'second'];
  const count = Math.floor(ms / length);
  return `${count} ${name}${count === 1 ? '' : 's'} ago`;
}

/** "0123456789ab" of "sha256:0123456789ab…": enough to tell images apart; --json has all of it. */
export function shortDigest(digest: string): string {
  return digest.slice(digest.lastIndexOf(':') + 1).slice(0, 12);
}

/** "2026-11-29 14:30:05", by the clock of the host. */
export function localTime(at: string): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

// Writes the log as entries of systemd's journal, with a field for every property, in the journal's native protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). "journalctl DOCKERSH_USER=alice" then finds what concerns alice.

import { statSync } from 'node:fs';
import type { DestinationStream } from 'pino';
import type { LogLevel } from '../lib/log.ts';

const journalSocket = '/run/systemd/journal/socket';

/** syslog(3) */
const priorities: Readonly<Record<LogLevel, number>> = {
  trace: 7,
  debug: 7,
  info: 6,
  warn: 4,
  error: 3,
  fatal: 2,
  silent: 7,
};
/** Longer values are cut: a datagram has an end, and the journal's tools show no more of a field. */
const mostBytes = 16 * 1024;

/** Whether standard error is a stream of the journal's, which then is what wants our log (systemd.exec(5)). */
export function journalIsOurs(env: NodeJS.ProcessEnv = process.env): boolean {
  const wanted = env['JOURNAL_STREAM'];
  if (wanted === undefined) return false;
  const { dev, ino } = statSync('/proc/self/fd/2');
  return wanted === `${dev}:${ino}`;
}

function field(name: string, value: string): Buffer {
  const bytes = Buffer.from(value).subarray(0, mostBytes);
  if (!bytes.includes(10)) return Buffer.concat([Buffer.from(`${name}=`), bytes, Buffer.from('\n')]);
  // With a line break in it, the length is said instead.
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')]);
}

/** "imageDigest" becomes DOCKERSH_IMAGE_DIGEST. The journal takes capital letters, digits and underscores. */
function fieldName(key: string): string {
  const words = key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
  return `DOCKERSH_${words.replace(/[^A-Z0-9_]/g, '_')}`.slice(0, 64);
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** A record (records/record.ts) has its reason in its sentence; of anything else the fault's message is the reason. */
function messageOf({ msg, err, event }: Record<string, unknown>): string {
  if (typeof msg === 'string' && event !== undefined) return msg;
  const said = typeof msg === 'string' ? msg : '';
  const why = typeof err === 'object' && err !== null && 'message' in err ? `: ${String(err.message)}` : '';
  return `${said}${why}`;
}

/** One line of the log, as the journal takes it. */
export function journalEntry(line: string): Buffer {
  const entry = JSON.parse(line) as Record<string, unknown>;
  const level = String(entry['level']) as LogLevel;
  const own = Object.entries(entry).filter(([key]) => !['level', 'msg', 'pid', 'time'].includes(key));
  return Buffer.concat([
    field('MESSAGE', messageOf(entry)),
    field('PRIORITY', String(priorities[level] ?? 6)),
    field('SYSLOG_IDENTIFIER', 'dockershd'),
    ...own.map(([key, value]) => field(fieldName(key), text(value))),
  ]);
}

/**
 * Where pino writes to. `send` may fail: a line that the journal does not take goes to standard error, which is
 * the journal's as well, with its priority in front.
 */
export function journalStream(send: (path: string, data: Buffer) => void): DestinationStream {
  return {
    write(line) {
      try {
        send(journalSocket, journalEntry(line));
      } catch {
        const priority = /"level":"(\w+)"/.exec(line)?.[1] ?? 'info';
        process.stderr.write(`<${priorities[priority as LogLevel] ?? 6}>${line}`);
      }
    },
  };
}

// The daemon's log: one JSON object a line, to standard error or a file, written before the call returns
// so that nothing is lost when the process is killed.

import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  readonly level?: LogLevel;
  /** Appended to, made with mode 0600 when missing; standard error when absent. */
  readonly file?: string;
}

export function createLogger(options: LogOptions = {}): Logger {
  const destination = pino.destination({
    dest: options.file ?? 2,
    append: true,
    sync: true,
    mode: 0o600,
  });
  // Nobody reading standard error any more, or a full disk, is no reason to end: logins matter more than
  // their log. The line is lost.
  destination.on('error', () => {});
  return loggerTo(destination, options.level ?? 'info');
}

/** A logger of the same format that writes to any stream. */
export function loggerTo(destination: DestinationStream, level: LogLevel): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}

/** Has every line about a uid say the account's name as well, where it is known. */
export function withNames(log: Logger, nameOf: (uid: number) => string | undefined): Logger {
  const named = (fields: { uid?: unknown; user?: unknown }): object => {
    const { uid, user } = fields;
    const name = typeof uid === 'number' && user === undefined ? nameOf(uid) : undefined;
    return name === undefined ? fields : { ...fields, user: name };
  };
  return log.child({}, { formatters: { log: named } });
}

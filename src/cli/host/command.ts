// Runs programs of the host for a verb: always a list of arguments, never a line of the shell, and found in the
// system's own folders, whatever PATH says.

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { type ChildOutcome, outcomeOf } from '../../lib/child-outcome.ts';
import { hasErrno } from '../../lib/errors.ts';

export interface CommandOptions {
  readonly timeoutMs?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd?: string;
  readonly argv0?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** In a session of its own: the terminal's signals do not reach it. */
  readonly detached?: boolean;
  /** Kills it. */
  readonly signal?: AbortSignal | undefined;
  /** A descriptor for its input; by default it has none. */
  readonly stdin?: number;
}

export const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const defaultTimeoutMs = 30_000;
const mostOutputBytes = 16 * 1024 * 1024;

/** The program's path, or undefined where the host lacks it. */
export function systemProgram(name: string): string | undefined {
  return systemPath
    .split(':')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

/** False for what is not there, too. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return false;
    throw error;
  }
}

/** Runs a program to its end. Any status is a result; undefined: there is no such program. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<ChildOutcome | undefined> {
  const path = program.includes('/') ? program : systemProgram(program);
  if (path === undefined) return undefined;
  const { timeoutMs = defaultTimeoutMs, env, stdin = 'ignore', signal, ...rest } = options;
  signal?.throwIfAborted();
  const child = spawn(path, args, {
    ...rest,
    cwd: rest.cwd ?? '/',
    env: { PATH: systemPath, LC_ALL: 'C.UTF-8', ...env },
    stdio: [stdin, 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const kill = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', kill);
  try {
    return await outcomeOf(child, { maxBytes: mostOutputBytes, stdout: true });
  } finally {
    signal?.removeEventListener('abort', kill);
  }
}

// Runs a command in a user's sandbox, which is started for it where it does not run: as "dockershctl exec" does, with nothing
// to read and nobody who reads what it says.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

export interface JobPlaces {
  readonly libexec: string;
  readonly run: string;
}

/** Its exit status; 125 where it could not be run, 128 and more where a signal has ended it. */
export async function runInside(
  { libexec, run }: JobPlaces,
  user: string,
  command: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const args = ['--socket', path.join(run, 'exec.sock'), user, ...command];
  const child = spawn(path.join(libexec, 'dockersh-exec'), args, {
    stdio: 'ignore',
    env: {},
    cwd: '/',
    signal,
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 128;
}

// dockershctl exec: runs a command in a user's sandbox.
//
// The work is dockersh-exec's, a static program that hands its own descriptors to the daemon. It gets
// ours untouched, so terminals and binary streams are what they are for a login.

import { spawn } from 'node:child_process';
import { constants as osConstants } from 'node:os';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { type Console, defaultSocket } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { isExecutable } from '../host/command.ts';

// The terminal itself sends SIGINT and SIGQUIT to every process in front, dockersh-exec among them.
const forwarded: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'];
const fromTerminal: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

export function addExec(program: Command, console: () => Console, setStatus: (status: number) => void): void {
  program
    .command('exec')
    .description("run a command in a user's sandbox, starting the sandbox if need be")
    .usage('[options] <user> [-- command…]')
    .argument('<user>', 'name of the account')
    .argument('[command...]', 'the command and its arguments; a login shell without one')
    .option('--program <path>', 'the dockersh-exec to use (default: the one beside this program)')
    .addHelpText('after', '\nThe exit status is that of the command, 128+n if signal n ended it.')
    .action(async (user: string, command: string[], options: { program?: string }) => {
      const path = options.program ?? findProgram(import.meta.dirname);
      setStatus(await runInherited(path, [...socketArgs(console()), user, ...command]));
    });
}

/** What dockersh-exec is told of the daemon that was named: its socket for commands lies beside that for administrators. */
export function socketArgs({ options: { socket } }: Console): readonly string[] {
  return socket === defaultSocket ? [] : ['--socket', join(dirname(socket), 'exec.sock')];
}

/** Installed, dockersh-exec lies beside the bundle; in a checkout the bundle is in dist/. */
export function findProgram(bundleFolder: string): string {
  const candidates = [join(bundleFolder, 'dockersh-exec'), join(bundleFolder, '../build/dockersh-exec')];
  return candidates.find(isExecutable) ?? join(bundleFolder, 'dockersh-exec');
}

/** Runs a program on our own descriptors to its end; the status as a shell would show it. */
export async function runInherited(path: string, args: readonly string[]): Promise<number> {
  const signals = [...forwarded, ...fromTerminal];
  const forward = (signal: NodeJS.Signals): void => {
    const sentByTerminal = fromTerminal.includes(signal) && process.stdin.isTTY;
    if (!sentByTerminal) child.kill(signal);
  };
  // Before there is a child: a signal in between would end us and leave the child behind.
  for (const signal of signals) process.on(signal, forward);
  const child = spawn(path, args, { stdio: 'inherit' });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        resolve(code ?? 128 + (signal === null ? 0 : osConstants.signals[signal]));
      });
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliFailure(
      { code: 'E_EXEC', message: `${path} could not be started: ${why}`, exitCode: sysexits.osErr },
      { cause },
    );
  } finally {
    for (const signal of signals) process.off(signal, forward);
  }
}

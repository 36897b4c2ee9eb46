// dockershctl watch and join: show a user's session on the terminal that they are called from.
//
// The work is dockersh-exec's, as for exec: it leaves out what the session's programs would have that terminal answer or
// act on (native/login/terminal/harmless.c).

import type { Command } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { findProgram, runInherited, socketArgs } from './exec.ts';

/** Back to what a terminal is without a program that has changed it. */
export const plainTerminal = '\x1b[!p\x1b[?1049l\x1b[?25h\x1b[0m\r\n';

export function addWatch(
  program: Command,
  console: () => Console,
  setStatus: (status: number) => void,
): void {
  const add = (name: 'watch' | 'join', description: string): void => {
    program
      .command(name)
      .description(description)
      .argument('<user>', 'name of the account')
      .argument('[session]', 'its number, where there are several: that of its terminal, or its id')
      .option('--raw', 'also what has a terminal answer or act: titles, the clipboard, reports')
      .addHelpText('after', '\nCtrl-] ends it. The session goes on.')
      .action(async (user: string, session: string | undefined, { raw }: { raw?: true }) => {
        const cli = console();
        if (cli.stdin?.isTTY !== true || cli.stdout.isTTY !== true) throw noTerminal();
        const args = [...socketArgs(cli), `--${name}`, ...(raw === true ? ['--raw'] : []), user];
        const path = findProgram(import.meta.dirname);
        setStatus(await runInherited(path, session === undefined ? args : [...args, session]));
        cli.stdout.write(plainTerminal);
      });
  };
  add('watch', "show a session of a user's as it goes on, without typing");
  add('join', "take part in a session of a user's: what is typed here is typed there");
}

const noTerminal = (): CliFailure =>
  new CliFailure({
    code: 'E_USAGE',
    message: 'there is no terminal to show the session on',
    hint: 'By ssh, add -t.',
    exitCode: sysexits.usage,
  });

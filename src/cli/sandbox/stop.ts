// dockershctl stop: ends users' sandboxes with everything that runs in them, and says so on their terminals.

import type { Command } from 'commander';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { toCliFailure } from '../failure.ts';
import { type Chosen, chosenUsers, noticeOption } from './chosen.ts';

interface Options {
  all?: true;
  message?: string;
}

interface Stopped {
  readonly user: string;
  readonly stopped: boolean;
  readonly error?: { readonly code: string; readonly message: string };
}

export function addStop(program: Command, console: () => Console, setStatus: (status: number) => void): void {
  program
    .command('stop')
    .description('stop the sandboxes of users, with every session in them')
    .usage('[options] <user>... | --all')
    .argument('[user...]', 'names of accounts')
    .option('--all', 'every sandbox that runs; a login afterwards starts another, unless maintenance is on')
    .option('--message <text>', 'what those inside read on their terminals as well', noticeOption)
    .action(async (users: string[], options: Options) => {
      const cli = console();
      const chosen = await chosenUsers(cli, users, options.all === true, 'stop');
      const [only] = chosen;
      if (chosen.length === 1 && only !== undefined && options.all !== true) {
        cli.show(await stop(cli, only, options), told);
        return;
      }
      const all = await Promise.all(chosen.map(async (one) => await stopped(cli, one, options)));
      cli.show({ sandboxes: all.map(({ status: _, ...one }) => one) }, ({ sandboxes }) =>
        sandboxes.length === 0 ? 'no sandbox runs\n' : sandboxes.map(told).join(''),
      );
      setStatus(all.find(({ status }) => status !== 0)?.status ?? 0);
    });
}

async function stop(cli: Console, { id }: Chosen, { message }: Options): Promise<Stopped> {
  return await cli.call('stop', { user: id, ...(message === undefined ? {} : { message }) });
}

/** One that fails must not keep the others from being stopped. */
async function stopped(
  cli: Console,
  user: Chosen,
  options: Options,
): Promise<Stopped & { readonly status: number }> {
  try {
    return { ...(await stop(cli, user, options)), status: 0 };
  } catch (error) {
    const failure = toCliFailure(error);
    if (failure.code === 'E_DAEMON_DOWN' || failure.code === 'E_ACCESS') throw failure;
    const { code, message, exitCode: status } = failure;
    return { user: user.name, stopped: false, error: { code, message }, status };
  }
}

function told({ user, stopped, error }: Stopped): string {
  if (error !== undefined) return `${printable(`${user}: ${error.message} [${error.code}]`)}\n`;
  return `${printable(stopped ? `stopped the sandbox of ${user}` : `${user} has no sandbox`)}\n`;
}

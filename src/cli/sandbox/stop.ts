// dockershctl stop: ends a user's sandbox with everything that runs in it.

import type { Command } from 'commander';
import type { Console } from '../console.ts';

export function addStop(program: Command, console: () => Console): void {
  program
    .command('stop')
    .description('stop the sandbox of a user, with every session in it')
    .argument('<user>', 'name of the account')
    .action(async (user: string) => {
      const cli = console();
      cli.show(await cli.call('stop', { user }), (result) =>
        result.stopped ? `stopped the sandbox of ${result.user}\n` : `${result.user} has no sandbox\n`,
      );
    });
}

// dockershctl diff: lists what a user has changed in the image.

import type { Command } from 'commander';
import { printable } from '../../lib/text/printable.ts';
import type { AdminChange } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';

export function addDiff(program: Command, console: () => Console): void {
  program
    .command('diff')
    .description('list what a user has added (A), changed (C) and deleted (D) in their image')
    .argument('<user>', 'name of the account')
    .action(async (user: string) => {
      const cli = console();
      const all: AdminChange[] = [];
      // What comes in pieces goes out in pieces: a layer may have a million files.
      const onPart = (part: readonly AdminChange[]): void => {
        if (cli.options.json) all.push(...part);
        else cli.stdout.write(part.map(({ kind, path }) => `${kind} ${printable(path)}\n`).join(''));
      };
      const result = await cli.call('diff', { user }, { onPart });
      if (cli.options.json) cli.show({ user: result.user, changes: all }, () => '');
    });
}

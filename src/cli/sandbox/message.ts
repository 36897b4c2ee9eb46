// dockershctl message: says something on the terminals of those who are in sandboxes.

import { type Command, InvalidArgumentError } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { chosenUsers, noticeOption } from './chosen.ts';

export function addMessage(program: Command, console: () => Console): void {
  program
    .command('message')
    .description('show a line of text on every terminal of a user who is in a sandbox, or of all of them')
    .usage('[options] <user> <text>... | --all <text>...')
    .argument('[user]', 'name of the account; not with --all')
    .argument('[text...]', 'the words, which need no quotes but those of the shell')
    .option('--all', 'everybody who has a sandbox')
    .action(async (user: string | undefined, words: string[], options: { all?: true }) => {
      const cli = console();
      const all = options.all === true;
      const text = textOf(all ? [...(user === undefined ? [] : [user]), ...words] : words);
      const named = all || user === undefined ? [] : [user];
      const chosen = await chosenUsers(cli, named, all, 'message');
      const told = await Promise.all(
        chosen.map(async ({ id }) => await cli.call('message', { user: id, text })),
      );
      cli.show({ users: told }, ({ users }) =>
        users.length === 0 ? 'nobody has a sandbox\n' : users.map(shown).join(''),
      );
    });
}

function textOf(words: readonly string[]): string {
  try {
    return noticeOption(words.join(' '));
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    const message = words.length === 0 ? 'there is no text' : error.message;
    throw new CliFailure({
      code: 'E_USAGE',
      message,
      hint: 'Run dockershctl message --help.',
      exitCode: sysexits.usage,
    });
  }
}

function shown({ user, terminals }: { readonly user: string; readonly terminals: number }): string {
  const what = terminals === 0 ? 'no terminal' : `${terminals} terminal${terminals === 1 ? '' : 's'}`;
  return `${printable(`${user}: ${what}`)}\n`;
}

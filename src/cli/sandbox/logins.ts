// dockershctl logins: lists the last logins, or the steps of one of them with the time that each took.

import { type Command, InvalidArgumentError } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import type { AdminLogin } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { humanMicroseconds } from '../human.ts';
import type { Column } from '../table.ts';

const listColumns: Column[] = [
  { header: 'ID' },
  { header: 'USER' },
  { header: 'AT' },
  { header: 'KIND' },
  { header: 'TOOK', align: 'right' },
  { header: 'OUTCOME' },
];

const stepColumns: Column[] = [{ header: 'STEP' }, { header: 'TOOK', align: 'right' }];

interface Options {
  last?: true;
  limit: number;
}

export function addLogins(program: Command, console: () => Console): void {
  program
    .command('logins')
    .description('list the last logins, or the steps of one with the time that each took')
    .argument('[id]', 'the id of a login, as the list or an error message shows it')
    .option('--last', 'show the last login step by step')
    .option('--limit <count>', 'how many to list', parseCount, 20)
    .action(async (id: string | undefined, options: Options) => {
      const cli = console();
      const oneOnly = id !== undefined || options.last === true;
      const limit = oneOnly ? 1 : options.limit;
      const result = await cli.call('logins', id === undefined ? { limit } : { id });
      if (oneOnly && result.logins.length === 0) throw nothingFound(id);
      cli.show(result, ({ logins }) =>
        oneOnly
          ? logins.map((login) => breakdown(login, cli)).join('')
          : cli.table(listColumns, logins.map(listRow)),
      );
    });
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 1000) {
    throw new InvalidArgumentError('a number from 1 to 1000 is needed.');
  }
  return count;
}

function nothingFound(id: string | undefined): CliFailure {
  const message = id === undefined ? 'nobody has logged in yet' : `no login ${printable(id)}`;
  const hint = 'The daemon remembers the last logins since it was started; older ones are in its log.';
  return new CliFailure({ code: 'E_NOT_FOUND', message, hint, exitCode: sysexits.noInput });
}

function listRow(login: AdminLogin): string[] {
  const { id, user, at } = login;
  return [id, user, localTime(at), kindOf(login), humanMicroseconds(total(login)), outcomeOf(login)];
}

function breakdown(login: AdminLogin, cli: Console): string {
  const { id, user, uid, at, from, auth } = login;
  const facts = [localTime(at), kindOf(login), ...(from === null ? [] : [`from ${from}`])];
  const about = [...facts, ...(auth === null ? [] : [`by ${auth}`]), outcomeOf(login)].join(', ');
  const title = printable(`${id}: ${user} (${uid}), ${about}`);
  const steps = login.steps.map(({ name, us }) => [name, humanMicroseconds(us)]);
  return `${title}\n\n${cli.table(stepColumns, [...steps, ['total', humanMicroseconds(total(login))]])}`;
}

/** "ssh" before that of an ssh connection, which carries sessions. */
const kindOf = ({ what, kind }: AdminLogin): string => (what === 'connection' ? `ssh ${kind}` : kind);

function outcomeOf({ outcome, count }: AdminLogin): string {
  return count === 1 ? outcome : `${outcome} (${count} times)`;
}

function total(login: AdminLogin): number {
  return login.steps.reduce((sum, { us }) => sum + us, 0);
}

function localTime(at: string): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

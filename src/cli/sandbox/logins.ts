// dockershctl logins: lists the last logins, or the steps of one of them with the time that each took.

import type { Command } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { humanMicroseconds, localTime } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Column } from '../../lib/text/table.ts';
import { causes } from '../../lib/values/causes.ts';
import type { AdminLogin } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { countUpTo } from '../count-option.ts';
import { CliFailure } from '../failure.ts';
import { momentHelp, momentOption } from '../moment.ts';

const listColumns: Column[] = [
  { header: 'ID' },
  { header: 'USER' },
  { header: 'FROM' },
  { header: 'AT' },
  { header: 'KIND' },
  { header: 'TOOK', align: 'right' },
  { header: 'OUTCOME' },
];

const stepColumns: Column[] = [{ header: 'STEP' }, { header: 'TOOK', align: 'right' }];

interface Options {
  last?: true;
  limit: number;
  user?: string;
  from?: string;
  since?: string;
  until?: string;
  failed?: true;
}

export function addLogins(program: Command, console: () => Console): void {
  program
    .command('logins')
    .description('list the last logins, or the steps of one with the time that each took')
    .argument('[id]', 'the id of a login, as the list or an error message shows it')
    .option('--last', 'show the last login step by step')
    .option('--limit <count>', 'how many to list', countUpTo(1000), 20)
    .option('--user <user>', "list one user's alone, by name or uid")
    .option('--from <address>', 'list those alone that came from this address')
    .option('--since <time>', momentHelp, momentOption)
    .option('--until <time>', 'the same; what began at this moment is left out', momentOption)
    .option('--failed', 'list those alone that were refused, or whose program could not be started')
    .action(async (id: string | undefined, options: Options) => {
      const cli = console();
      const oneOnly = id !== undefined || options.last === true;
      const { last: _, limit, ...filter } = options;
      const wanted = { ...filter, limit: oneOnly ? 1 : limit };
      const result = await cli.call('logins', id === undefined ? wanted : { id });
      if (oneOnly && result.logins.length === 0) throw nothingFound(id);
      cli.show(result, ({ logins }) =>
        oneOnly
          ? logins.map((login) => breakdown(login, cli)).join('')
          : cli.table(listColumns, logins.map(listRow)),
      );
    });
}

function nothingFound(id: string | undefined): CliFailure {
  const message = id === undefined ? 'no such login is remembered' : `no login ${printable(id)}`;
  const hint = 'The daemon remembers the last thousand logins; older ones are in its log.';
  return new CliFailure({ code: 'E_NOT_FOUND', message, hint, exitCode: sysexits.noInput });
}

function listRow(login: AdminLogin): string[] {
  const { id, user, from, at } = login;
  return [
    id,
    user,
    from ?? '-',
    localTime(at),
    kindOf(login),
    humanMicroseconds(total(login)),
    outcomeOf(login),
  ];
}

function breakdown(login: AdminLogin, cli: Console): string {
  const { id, user, uid, at, from, auth } = login;
  const facts = [localTime(at), kindOf(login), ...(from === null ? [] : [`from ${from}`])];
  const about = [...facts, ...(auth === null ? [] : [`by ${auth}`]), outcomeOf(login)].join(', ');
  const title = printable(`${id}: ${user} (${uid}), ${about}`);
  const steps = login.steps.map(({ name, us }) => [name, humanMicroseconds(us)]);
  return `${title}\n\n${cli.table(stepColumns, [...steps, ['total', humanMicroseconds(total(login))]])}`;
}

/** "ssh" before that of an ssh connection, which carries sessions, and "gateway" where it came by that. */
const kindOf = ({ what, kind, entry }: AdminLogin): string =>
  what === 'connection' ? `${entry === null || entry === 'sshd' ? 'ssh' : entry} ${kind}` : kind;

function outcomeOf({ outcome, cause, count }: AdminLogin): string {
  const isSaid = cause === null || cause === 'exit' || cause === 'signal' || outcome.startsWith('E_');
  const why = isSaid
    ? outcome
    : cause === outcome
      ? causes[cause].words
      : `${outcome}: ${causes[cause].words}`;
  return count === 1 ? why : `${why} (${count} times)`;
}

function total(login: AdminLogin): number {
  return login.steps.reduce((sum, { us }) => sum + us, 0);
}

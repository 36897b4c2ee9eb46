// dockershctl gateway: says how the gateway is doing, lists who is there by it, and ends connections.

import type { Command } from 'commander';
import { humanDuration, localTime } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Column } from '../../lib/text/table.ts';
import type { AdminGateway, AdminGatewaySession, AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';

const columns: Column[] = [
  { header: 'ID' },
  { header: 'USER' },
  { header: 'FROM' },
  { header: 'BY' },
  { header: 'SINCE' },
  { header: 'AUTHENTICATED BY' },
];

export function addGateway(
  program: Command,
  console: () => Console,
  setStatus: (status: number) => void,
): void {
  const gateway = program
    .command('gateway')
    .description('say how the gateway is doing, list who is there by it, and end connections');
  gateway
    .command('status', { isDefault: true })
    .description('say how the gateway is doing; the exit status is 3 where it does not run')
    .action(async () => {
      const cli = console();
      const status = await cli.call('gateway.status', {});
      cli.show(status, statusText);
      if (status.gateway === null) setStatus(3);
    });
  gateway
    .command('sessions')
    .description('list the ssh connections that are there by the gateway')
    .option('--user <user>', "list one user's alone, by name or uid")
    .action(async (options: { user?: string }) => {
      const cli = console();
      cli.show(await cli.call('gateway.sessions', options), ({ sessions }) =>
        sessions.length === 0 ? 'nobody is there by the gateway\n' : cli.table(columns, sessions.map(row)),
      );
    });
  gateway
    .command('kick')
    .description("end a connection that is there by the gateway, or all of a user's, with everything in them")
    .argument('[id]', 'of a connection, as "gateway sessions" shows it')
    .option('--user <user>', 'all of this user, by name or uid')
    .action(async (id: string | undefined, { user }: { user?: string }, command: Command) => {
      const cli = console();
      if ((id === undefined) === (user === undefined))
        command.error('error: name a connection, or a user with --user');
      const params = { ...(id === undefined ? {} : { id }), ...(user === undefined ? {} : { user }) };
      cli.show(await cli.call('gateway.kick', params), ({ ended }) =>
        ended.map((one) => `${printable(`ended ${one.id} of ${one.user}`)}\n`).join(''),
      );
    });
}

function row({ id, user, from, entry, startedAt, auth }: AdminGatewaySession): string[] {
  return [id, user, from ?? '-', entry === 'web' ? 'web' : 'ssh', localTime(startedAt), auth ?? '-'].map(
    printable,
  );
}

function statusText({ gateway, connections }: AdminResult<'gateway.status'>): string {
  if (gateway === null) return `The gateway does not run. Connections that are there: ${connections}.\n`;
  return `${lines(gateway, connections)
    .map((line) => printable(line))
    .join('\n')}\n`;
}

function lines({ pid, startedAt, listen, web, ...rest }: AdminGateway, connections: number): string[] {
  const { unreachable, waiting, accepted, loggedIn, refused } = rest;
  const up = humanDuration(Math.max(0, Date.now() - Date.parse(startedAt)));
  const { full, address, penalty, failed } = refused;
  return [
    `The gateway runs (process ${pid}) since ${localTime(startedAt)}, for ${up}.`,
    `It listens at ${listen.length === 0 ? 'nothing' : listen.join(', ')}.`,
    ...(unreachable.length === 0 ? [] : [`It can’t have ${unreachable.join(', ')}: its log says why.`]),
    web.listen.length === 0
      ? 'It has no web page.'
      : `Its web page is at ${web.listen.join(', ')}: of ${web.accepted} connections ${web.loggedIn} have logged in.`,
    `Connections: ${connections} in sandboxes, ${waiting} not logged in yet.`,
    `Of ${accepted} until now ${loggedIn} have logged in. Refused at once: ${full} because there were too many, ${address} because there were too many from their address, ${penalty} from addresses that are kept out, ${failed} because there was no process for them.`,
  ];
}

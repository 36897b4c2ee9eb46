// dockershctl network: lists private networks, and what they were kept from with the line that would let it pass.

import type { Command } from 'commander';
import type { Surroundings } from '../../lib/network/closed.ts';
import { formatRule } from '../../lib/network/network.ts';
import { humanAgo, humanSize } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Column } from '../../lib/text/table.ts';
import { type Advice, adviceFor } from '../../policy/network/advice.ts';
import { explainedNetwork, sourceOfRule } from '../../policy/network/sources.ts';
import type { AdminNetwork, AdminRefusal, AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { missingText, portsText } from './published.ts';
import { surroundingsOf } from './surroundings.ts';

const lsColumns: Column[] = [
  { header: 'USER' },
  { header: 'ADDRESS' },
  { header: 'LINK' },
  { header: 'IN', align: 'right' },
  { header: 'OUT', align: 'right' },
  { header: 'NETWORKS' },
  { header: 'PUBLISHED' },
];

const refusedColumns: Column[] = [
  { header: 'USER' },
  { header: 'TO' },
  { header: 'PACKETS', align: 'right' },
  { header: 'LAST' },
  { header: 'WOULD PASS WITH' },
];

export function addNetwork(program: Command, console: () => Console): void {
  const network = program
    .command('network')
    .description('show private networks, and what they may not reach');
  network
    .command('ls')
    .description('list the private networks that there are, their addresses, traffic and published ports')
    .action(async () => {
      const cli = console();
      const result = await cli.call('network', {});
      cli.show(result, (shown) => listText(cli, shown));
    });
  network
    .command('refused')
    .description('list what private networks were kept from lately, and what of the policy would let it pass')
    .argument('[user]', 'only of this account')
    .action(async (user: string | undefined) => {
      const cli = console();
      const all = await cli.call('network', {});
      const wanted = all.refused.filter(
        (one) => user === undefined || one.user === user || String(one.uid) === user,
      );
      // A name that nobody has is an error, and no empty list.
      if (user !== undefined && wanted.length === 0) await cli.call('policy.explain', { user });
      const surroundings = surroundingsOf(all);
      const advise = adviser(cli, surroundings);
      const refused: (AdminRefusal & { readonly wouldPassWith: string })[] = [];
      for (const one of wanted) refused.push({ ...one, wouldPassWith: await advise(one) });
      cli.show({ refused }, () => cli.table(refusedColumns, refused.map(refusedRow)));
    });
}

function listText(cli: Console, { users, lacks }: AdminResult<'network'>): string {
  const missing = users.flatMap((one) =>
    one.missing.map((port) => `${one.user} does not have the port ${missingText(port)}: ${port.why}`),
  );
  const notes = [...lacks, ...missing].map((why) => `${printable(`Attention: ${why}`)}\n`).join('');
  return `${notes}${cli.table(lsColumns, users.map(listRow))}`;
}

function listRow(one: AdminNetwork): string[] {
  return [
    one.user,
    [one.address4, one.address6].filter((address) => address !== null).join(' '),
    one.link,
    one.bytesIn === null ? '-' : humanSize(one.bytesIn),
    one.bytesOut === null ? '-' : humanSize(one.bytesOut),
    one.networks.join(' ') || '-',
    portsText(one),
  ];
}

function refusedRow(one: AdminRefusal & { readonly wouldPassWith: string }): string[] {
  const host = one.address.includes(':') && one.port > 0 ? `[${one.address}]` : one.address;
  return [
    one.user,
    `${host}${one.port > 0 ? `:${one.port}` : ''}/${one.protocol}`,
    String(one.count),
    humanAgo(one.lastAt),
    one.wouldPassWith,
  ];
}

/** What the policy says of a user is asked for once. */
function adviser(cli: Console, surroundings: Surroundings): (refused: AdminRefusal) => Promise<string> {
  const known = new Map<string, AdminResult<'policy.explain'>['keys']>();
  return async (refused) => {
    const keys = known.get(refused.user) ?? (await cli.call('policy.explain', { user: refused.user })).keys;
    known.set(refused.user, keys);
    const network = explainedNetwork(keys);
    if (network?.kind !== 'private') return '- (the policy gives no private network any more)';
    return adviceText(adviceFor(network, refused, surroundings), keys);
  };
}

function adviceText(advice: Advice, keys: AdminResult<'policy.explain'>['keys']): string {
  switch (advice.kind) {
    case 'add':
      return `${advice.key} += ${advice.entry}`;
    case 'remove': {
      const found = sourceOfRule(keys, 'deny_out', advice.rule);
      const at = found?.source.file === undefined ? '' : ` (${found.source.file}:${found.source.line ?? 0})`;
      return `deny_out without ${found?.written ?? formatRule(advice.rule)}${at}`;
    }
    case 'bounds':
      return 'a higher connections or new_connections';
    case 'unknown':
      return '-';
  }
}

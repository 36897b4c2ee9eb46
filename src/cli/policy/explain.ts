// dockershctl policy explain: shows what the policy in force gives a user, key by key, and why.

import type { Command } from 'commander';
import { printable } from '../../lib/text/printable.ts';
import type { AdminExplanation, AdminPolicySource, AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import type { Column } from '../table.ts';
import { explainTo } from './explain-to.ts';
import { faultLines } from './fault.ts';

const columns: Column[] = [
  { header: 'KEY' },
  { header: 'VALUE' },
  { header: 'FROM' },
  { header: 'OVERRODE' },
];

export function addPolicyExplain(policy: Command, console: () => Console): void {
  policy
    .command('explain')
    .description('show what a user gets, which line says so, and what that line overrides')
    .argument('<user>', 'name of the account, which need not exist')
    .option('--to <host>', 'show what a private network is answered at HOST[:PORT][/tcp|udp|icmp]')
    .action(async (user: string, { to }: { to?: string }) => {
      const cli = console();
      const explained = await cli.call('policy.explain', { user });
      if (to !== undefined) {
        await explainTo(cli, explained, to);
        return;
      }
      cli.show(explained, (result) => {
        const table = cli.table(columns, result.keys.map(row));
        return `${headOf(result)}${table}`;
      });
    });
}

function headOf({
  user,
  account,
  groups,
  policyFault,
  refused,
  problems,
}: AdminResult<'policy.explain'>): string {
  const lines = [
    account
      ? `${user}: groups ${groups.join(', ') || 'unknown'}`
      : `${user}: this host knows no such account; shown is what one of this name would get, groups aside`,
    ...faultLines(policyFault),
    ...problems.map((problem) => `Not counted: ${problem}`),
    ...(refused === null ? [] : [`Logins are refused: ${refused.why} [${refused.code}]`]),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function row({ key, value, from, overrode, problem }: AdminExplanation): string[] {
  return [
    key,
    problem === undefined ? (value ?? '-') : `${value ?? '-'} (not usable: it ${problem})`,
    from.map(place).join(', ') || '-',
    overrode.map((source) => `${source.text} (${place(source)})`).join(', ') || '-',
  ];
}

function place({ file, line, section }: AdminPolicySource): string {
  return file === undefined ? 'default' : `${file}:${line ?? 0} [${section ?? ''}]`;
}

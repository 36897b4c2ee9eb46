// dockershctl policy explain: shows what the policy in force gives a user, key by key, and why.

import type { Command } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { nearest } from '../../lib/text/nearest.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Column } from '../../lib/text/table.ts';
import type { AdminExplanation, AdminPolicySource, AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
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
    .argument('[key...]', 'only these keys, by name or by a part of it')
    .option('--changed', 'only keys that a line of the policy or of the user sets')
    .option('--to <host>', 'show what a private network is answered at HOST[:PORT][/tcp|udp|icmp]')
    .action(async (user: string, wanted: string[], { to, changed }: { to?: string; changed?: true }) => {
      const cli = console();
      const explained = await cli.call('policy.explain', { user });
      if (to !== undefined) {
        await explainTo(cli, explained, to);
        return;
      }
      const keys = keysIn(explained.keys, wanted, changed === true);
      cli.show({ ...explained, keys }, (result) => {
        const table = cli.table(columns, result.keys.map(row));
        return `${headOf(result)}${table}`;
      });
    });
}

function keysIn(
  keys: readonly AdminExplanation[],
  wanted: readonly string[],
  changed: boolean,
): AdminExplanation[] {
  const strange = wanted.find((word) => !keys.some(({ key }) => isMeant(key, word, keys)));
  if (strange !== undefined) {
    const near = nearest(
      strange,
      keys.map(({ key }) => key),
    );
    throw new CliFailure({
      code: 'E_USAGE',
      message: `the policy has no key ${strange}`,
      ...(near === undefined ? {} : { hint: `Did you mean ${near}?` }),
      exitCode: sysexits.usage,
    });
  }
  return keys.filter(
    ({ key, from }) =>
      (wanted.length === 0 || wanted.some((word) => isMeant(key, word, keys))) &&
      (!changed || from.some(({ file }) => file !== undefined)),
  );
}

/** A word that is a key means that one alone. */
function isMeant(key: string, word: string, keys: readonly AdminExplanation[]): boolean {
  return keys.some((one) => one.key === word) ? key === word : key.includes(word);
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

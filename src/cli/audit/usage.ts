// dockershctl usage: adds up what users have used, as the audit trail has it. Reads the files themselves, so that it works without a
// daemon.

import { type Command, Option } from 'commander';
import { linesOf } from '../../lib/audit/files.ts';
import { type AuditFilter, chooser } from '../../lib/audit/filter.ts';
import { sysexits } from '../../lib/errors.ts';
import { humanDuration, humanSize } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Column } from '../../lib/text/table.ts';
import { type AbsolutePath, resolved } from '../../lib/values/absolute-path.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { listAccounts, lookUpGroup } from '../host/accounts.ts';
import { momentHelp, momentOption } from '../moment.ts';
import { trailFolder } from './trail-folder.ts';
import { csvOf, type UsageRow, UsageSum } from './usage-sum.ts';

const columns: Column[] = [
  { header: 'MONTH' },
  { header: 'USER' },
  { header: 'LOGINS', align: 'right' },
  { header: 'REFUSED', align: 'right' },
  { header: 'TIME', align: 'right' },
  { header: 'CPU', align: 'right' },
  { header: 'PEAK MEMORY', align: 'right' },
  { header: 'KILLED', align: 'right' },
];

interface UsageOptions extends Pick<AuditFilter, 'since' | 'until' | 'user'> {
  readonly group?: string;
  readonly monthly?: boolean;
  readonly csv?: boolean;
  readonly folder?: AbsolutePath;
}

export function addUsage(program: Command, console: () => Console): void {
  program
    .command('usage')
    .description('add up the logins, time, CPU and memory of users, as the audit trail has it')
    .option('--since <time>', `${momentHelp}; if not given, the beginning of this month`, momentOption)
    .option('--until <time>', 'the same; what is of this moment is left out', momentOption)
    .option('--user <user>', "one user's alone, by name or uid")
    .addOption(new Option('--group <group>', 'of those alone who are in this group now').conflicts('user'))
    .option('--monthly', 'a line for each month')
    .option('--csv', 'comma-separated values, instead of a table')
    .option('--folder <folder>', 'where the trail is', resolved)
    .action(async ({ group, monthly = false, csv = false, folder, ...filter }: UsageOptions) => {
      const cli = console();
      const { since = beginningOfMonth(new Date()), until, user } = filter;
      const members = group === undefined ? undefined : await membersOf(group);
      const sum = new UsageSum(monthly);
      const choose = chooser({ since, until, user });
      for await (const lines of linesOf(await trailFolder(cli, folder))) {
        for (const line of lines) {
          const chosen = choose(line);
          if (chosen !== undefined && members?.has(String(chosen['user'])) !== false) sum.add(chosen);
        }
      }
      const usage = sum.rows();
      cli.show({ since, until: until ?? null, usage }, () =>
        csv ? csvOf(usage) : cli.table(monthly ? columns : columns.slice(1), usage.map(cells)),
      );
    });
}

/** By the host's clock, as ISO 8601 in UTC. */
const beginningOfMonth = (now: Date): string => new Date(now.getFullYear(), now.getMonth()).toISOString();

/** Those whose first group it is, too. */
async function membersOf(name: string): Promise<ReadonlySet<string>> {
  const group = await lookUpGroup(name);
  if (group === undefined) {
    throw new CliFailure({
      code: 'E_NOT_FOUND',
      message: `group ${name}: this host knows no such group`,
      hint: 'Check the name: "getent group" lists the groups that the name services know.',
      exitCode: sysexits.noInput,
    });
  }
  const first = (await listAccounts()).filter(({ gid }) => gid === group.gid);
  return new Set([...group.members, ...first.map((account) => account.name)]);
}

function cells(row: UsageRow): string[] {
  const { month, user, logins, refused, sessionSeconds, cpuSeconds, peakBytes, outOfMemory } = row;
  return [
    ...(month === null ? [] : [month]),
    printable(user),
    String(logins),
    String(refused),
    humanDuration(sessionSeconds * 1000),
    humanDuration(cpuSeconds * 1000),
    humanSize(peakBytes),
    String(outOfMemory),
  ];
}

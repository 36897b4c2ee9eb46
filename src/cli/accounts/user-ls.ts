// dockershctl user ls: lists the accounts that have a sandbox, how they come to it, and those that are kept out of
// it.

import type { Command } from 'commander';
import type { Column } from '../../lib/text/table.ts';
import type { AccountFolder } from '../../protocol/admin-accounts.ts';
import type { Console } from '../console.ts';
import { Context } from '../doctor/context.ts';
import { policyOf, type Subject } from '../doctor/subject.ts';
import { defaultQuestion } from '../host/sshd-settings.ts';
import { isOrphan } from './folders.ts';
import { findInstallation, type Installation } from './installation.ts';

const columns: Column[] = [
  { header: 'USER' },
  { header: 'UID', align: 'right' },
  { header: 'BY' },
  { header: 'IMAGE' },
  { header: 'HOME' },
  { header: 'FILES' },
  { header: 'SINCE' },
];

const orphanColumns: Column[] = [
  { header: 'KEPT FOR' },
  { header: 'UID', align: 'right' },
  { header: 'NOW THE UID OF' },
  { header: 'SANDBOX' },
];

interface Row {
  readonly user: string;
  readonly uid: number;
  /** How it comes to its sandbox. */
  readonly by: readonly string[];
  readonly image: string | null;
  readonly home: string | null;
  /** What became of its files; null: it was not "user enable" that gave it the sandbox. */
  readonly files: string | null;
  readonly since: string | null;
}

export function addUserLs(user: Command, console: () => Console): void {
  user
    .command('ls')
    .description('list the accounts that have a sandbox, and what is kept for accounts that are gone')
    .option('--sshd-config <file>', "sshd's main file", defaultQuestion.config)
    .option('--client <path>', 'the login client, where it is not in the usual place')
    .action(async ({ sshdConfig, client }: { sshdConfig: string; client?: string }) => {
      const cli = console();
      const installation = await findInstallation(cli, { client });
      const sshd = { ...defaultQuestion, config: sshdConfig };
      const context = Context.of(cli, { sshd, client, config: installation.config, state: undefined });
      const { found, left } = await context.subjects();
      if (left > 0) cli.stderr.write(`dockershctl: sshd was not asked about ${left} more accounts\n`);
      const users = await Promise.all(found.map((subject) => rowOf(subject, installation)));
      const orphans = installation.daemonRuns ? await orphansOf(cli) : null;
      cli.show(
        { users, orphans },
        () => cli.table(columns, users.map(cells)) + orphanText(cli, orphans ?? []),
      );
    });
}

/** What is kept for accounts that are gone, or are called otherwise by now. */
async function orphansOf(cli: Console): Promise<AccountFolder[]> {
  return (await cli.call('account.folders', {})).folders.filter(isOrphan);
}

function orphanText(cli: Console, orphans: readonly AccountFolder[]): string {
  if (orphans.length === 0) return '';
  const rows = orphans.map(({ owner, uid, account, running }) => [
    owner ?? '-',
    String(uid),
    account ?? '-',
    running ? 'runs' : '-',
  ]);
  const heading = 'Kept for accounts that are gone or renamed (dockershctl user forget, user rename):';
  return `\n${heading}\n${cli.table(orphanColumns, rows)}`;
}

async function rowOf(subject: Subject, { books }: Installation): Promise<Row> {
  const { account, byShell, byForce } = subject;
  const known = await books.enabled(account.uid);
  const enabled = known?.plan.account.name === account.name ? known : undefined;
  const policy = policyOf(subject);
  return {
    user: account.name,
    uid: account.uid,
    by: [
      ...(byShell ? ['login shell'] : []),
      ...(byForce ? ['ForceCommand'] : []),
      ...(policy?.exempt === 'yes' ? ['exempt: no sandbox'] : []),
    ],
    image: policy?.image ?? null,
    home: policy?.home ?? null,
    files: enabled?.plan.files ?? null,
    since: enabled?.at ?? null,
  };
}

function cells({ user, uid, by, image, home, files, since }: Row): string[] {
  const shown = (text: string | null): string => text ?? '-';
  return [
    user,
    String(uid),
    by.join(', '),
    shown(image),
    shown(home),
    shown(files),
    since?.slice(0, 10) ?? '-',
  ];
}

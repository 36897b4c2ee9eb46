// dockershctl policy diff: lists where a running sandbox differs from what the policy says now.

import type { Command } from 'commander';
import type { Column } from '../../lib/text/table.ts';
import type { Console } from '../console.ts';

const columns: Column[] = [
  { header: 'KEY' },
  { header: 'RUNNING' },
  { header: 'POLICY' },
  { header: 'APPLIES' },
];

const applies = {
  now: 'at once (the log says why it has not)',
  session: 'at the next login',
  sandbox: 'when the sandbox next starts',
} as const;

export function addPolicyDiff(policy: Command, console: () => Console): void {
  policy
    .command('diff')
    .description('compare the policy with what the running sandbox of a user was started with')
    .argument('<user>', 'name of the account')
    .action(async (user: string) => {
      const cli = console();
      cli.show(await cli.call('policy.diff', { user }), ({ changes }) =>
        changes.length === 0
          ? `the sandbox of ${user} is as the policy says\n`
          : cli.table(
              columns,
              changes.map((change) => [
                change.key,
                change.running ?? '-',
                change.policy ?? '-',
                applies[change.applies],
              ]),
            ),
      );
    });
}

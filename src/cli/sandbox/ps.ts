// dockershctl ps: lists the sandboxes of this host.

import type { Command } from 'commander';
import { humanDuration, humanSize } from '../../lib/text/human.ts';
import type { Column } from '../../lib/text/table.ts';
import type { AdminSandbox } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { portsText } from '../network/published.ts';
import { warnOfFault } from '../policy/fault.ts';

const columns: Column[] = [
  { header: 'USER' },
  { header: 'UID', align: 'right' },
  { header: 'STATE' },
  { header: 'IMAGE' },
  { header: 'SESSIONS', align: 'right' },
  { header: 'SSH', align: 'right' },
  { header: 'MEMORY', align: 'right' },
  { header: 'PROCESSES', align: 'right' },
  { header: 'CPUS', align: 'right' },
  { header: 'UP', align: 'right' },
  { header: 'STOPS IN', align: 'right' },
];

const published: Column = { header: 'PUBLISHED' };

export function addPs(program: Command, console: () => Console): void {
  program
    .command('ps')
    .description('list the sandboxes of this host')
    .action(async () => {
      const cli = console();
      const now = Date.now();
      const result = await cli.call('ps', {});
      warnOfFault(cli, result.policyFault);
      cli.show(result, ({ sandboxes }) => {
        const rows = sandboxes.map((sandbox) => row(sandbox, now));
        if (sandboxes.every((sandbox) => sandbox.published.length === 0)) return cli.table(columns, rows);
        const ports = sandboxes.map(portsText);
        return cli.table(
          [...columns, published],
          rows.map((cells, index) => [...cells, ports[index] ?? '-']),
        );
      });
    });
}

function row(sandbox: AdminSandbox, now: number): string[] {
  const { lingerUntil, memoryBytes, memoryLimitBytes, pids, pidsLimit, cpus } = sandbox;
  return [
    sandbox.user,
    String(sandbox.uid),
    sandbox.state,
    sandbox.newerImage ? `${sandbox.image} (newer exists)` : sandbox.image,
    sessionsText(sandbox),
    String(sandbox.connections.length),
    ofLimit(memoryBytes, memoryLimitBytes, humanSize),
    ofLimit(pids, pidsLimit, String),
    cpus === null ? '-' : String(cpus),
    humanDuration(now - Date.parse(sandbox.startedAt)),
    lingerUntil === null ? '-' : humanDuration(Date.parse(lingerUntil) - now),
  ];
}

/** "3 (1 left)": nobody is at one of them. */
function sessionsText({ sessions }: AdminSandbox): string {
  const left = sessions.filter(({ leftAt }) => leftAt !== null).length;
  return left === 0 ? String(sessions.length) : `${sessions.length} (${left} left)`;
}

function ofLimit(used: number | null, limit: number | null, format: (value: number) => string): string {
  const shown = used === null ? '?' : format(used);
  return limit === null ? shown : `${shown} / ${format(limit)}`;
}

// dockershctl operations and cancel: the long operations of this host's administrators, and their end.

import { type Command, InvalidArgumentError } from 'commander';
import { humanAgo } from '../lib/text/human.ts';
import { printable } from '../lib/text/printable.ts';
import type { Column } from '../lib/text/table.ts';
import type { AdminOperation } from '../protocol/admin.ts';
import { operationId } from '../protocol/admin-fields.ts';
import type { Console } from './console.ts';
import { describeProgress } from './progress.ts';

const columns: Column[] = [
  { header: 'ID', align: 'right' },
  { header: 'OPERATION' },
  { header: 'BY' },
  { header: 'SINCE' },
  { header: 'STATE' },
];

export function addOperations(program: Command, console: () => Console): void {
  program
    .command('operations')
    .description(
      'list the long operations that are under way, and the last that were asked to run on (--detach)',
    )
    .action(async () => {
      const cli = console();
      cli.show(await cli.call('operations', {}), ({ operations }) =>
        operations.length === 0 ? 'nothing is under way\n' : cli.table(columns, operations.map(rowOf)),
      );
    });
}

export function addCancel(program: Command, console: () => Console): void {
  program
    .command('cancel')
    .description('end a long operation; what it has not finished is as it was before')
    .argument('<id>', 'its number, as "dockershctl operations" shows it', operationNumber)
    .action(async (id: number) => {
      const cli = console();
      cli.show(await cli.call('cancel', { id }), ({ verb, about, ended }) => {
        const what = printable(about === null ? verb : `${verb} ${about}`);
        return ended
          ? `ended operation ${id}, ${what}\n`
          : `operation ${id}, ${what}, is ending: it still clears up\n`;
      });
    });
}

function rowOf({ id, verb, about, by, startedAt, detached, ...end }: AdminOperation): string[] {
  const operation = about === null ? verb : `${verb} ${about}`;
  return [String(id), operation, by ?? 'root', humanAgo(startedAt), stateOf({ ...end, detached })];
}

function stateOf({
  state,
  error,
  progress,
  detached,
}: Pick<AdminOperation, 'state' | 'error' | 'progress' | 'detached'>): string {
  if (state === 'failed' && error !== null) return `failed: ${error.message} [${error.code}]`;
  if (state !== 'running') return state;
  const far = progress === null ? 'running' : describeProgress(progress);
  return detached ? `${far}, by itself` : far;
}

function operationNumber(text: string): number {
  const parsed = operationId.safeParse(Number(text));
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError('it is no number of an operation.');
}

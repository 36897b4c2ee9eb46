// dockershctl snapshot: makes, lists and removes copies of a user's layer to go back to.

import type { Command } from 'commander';
import { humanAgo, humanSize } from '../../lib/text/human.ts';
import type { Column } from '../../lib/text/table.ts';
import type { AdminSnapshot } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { callLong, detachOption, type LongOptions } from '../long-verb.ts';
import { noPauseOption, tellPause } from './pause.ts';

const columns: Column[] = [
  { header: 'SNAPSHOT' },
  { header: 'CREATED' },
  { header: 'IMAGE' },
  { header: 'FILES', align: 'right' },
  { header: 'SIZE', align: 'right' },
  { header: 'MESSAGE' },
];

interface Options extends LongOptions {
  message?: string;
  ls?: true;
  rm?: true;
  pause: boolean;
}

export function addSnapshot(program: Command, console: () => Console): void {
  program
    .command('snapshot')
    .description("copy a user's layer, to go back to it with rollback; or list or remove copies")
    .argument('<user>', 'name of the account')
    .argument('[snapshot]', 'what to call the copy (default: the time)')
    .option('-m, --message <message>', 'what it is for')
    .addOption(noPauseOption())
    .addOption(detachOption())
    .option('--ls', 'list the copies of the user')
    .option('--rm', 'remove the named copy')
    .action(async (user: string, name: string | undefined, options: Options, command: Command) => {
      const cli = console();
      if (options.ls === true) return await list(cli, user);
      if (options.rm !== true) return await create(cli, user, name, options);
      if (name === undefined) command.error("error: missing required argument 'snapshot'");
      cli.show(await cli.call('snapshot.rm', { user, name }), (result) => `removed ${result.name}\n`);
    });
}

async function create(cli: Console, user: string, name: string | undefined, options: Options): Promise<void> {
  const { message, pause } = options;
  const request = {
    user,
    pause,
    ...(name === undefined ? {} : { name }),
    ...(message === undefined ? {} : { message }),
  };
  const result = await callLong(cli, 'snapshot.create', request, options);
  if (result === undefined) return;
  tellPause(cli, result);
  cli.show(result, ({ snapshot }) => `${snapshot.name}\n`);
}

async function list(cli: Console, user: string): Promise<void> {
  cli.show(await cli.call('snapshot.ls', { user }), ({ snapshots }) =>
    cli.table(columns, snapshots.map(row)),
  );
}

function row({ name, createdAt, image, files, sizeBytes, message }: AdminSnapshot): string[] {
  return [name, humanAgo(createdAt), image ?? '-', String(files), humanSize(sizeBytes), message ?? ''];
}

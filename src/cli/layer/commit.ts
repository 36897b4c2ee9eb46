// dockershctl commit: makes an image of what a user has changed.

import type { Command } from 'commander';
import { printable } from '../../lib/text/printable.ts';
import type { AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { callLong, detachOption, type LongOptions } from '../long-verb.ts';
import { progressOption } from '../progress.ts';
import { noPauseOption, tellPause } from './pause.ts';

interface Options extends LongOptions {
  author?: string;
  message?: string;
  change: string[];
  pause: boolean;
}

/** A user must not hide something from an image without its being said. */
function tellLeftOut(cli: Console, { user, leftOut }: AdminResult<'commit'>): void {
  if (leftOut.count === 0) return;
  for (const example of leftOut.examples) cli.stderr.write(`dockershctl: left out ${printable(example)}\n`);
  const more = leftOut.count - leftOut.examples.length;
  if (more > 0) cli.stderr.write(`dockershctl: left out ${more} more\n`);
  cli.stderr.write(
    `dockershctl: the image does not have what no image can hold; see "dockershctl diff ${user}".\n`,
  );
}

const collect = (value: string, before: string[]): string[] => [...before, value];

export function addCommit(program: Command, console: () => Console): void {
  program
    .command('commit')
    .description("make an image of a user's image and changes; their home is no part of it")
    .argument('<user>', 'name of the account')
    .argument('<name>', 'NAME or NAME:TAG of the new image')
    .option('-a, --author <author>', 'who made it')
    .option('-m, --message <message>', 'what it is for')
    .option(
      '-c, --change <line>',
      'ENV, LABEL, USER, WORKDIR, CMD or ENTRYPOINT, as in a Dockerfile',
      collect,
      [],
    )
    .addOption(noPauseOption())
    .addOption(detachOption())
    .addOption(progressOption())
    .action(async (user: string, name: string, options: Options) => {
      const cli = console();
      const { author, message, change, pause } = options;
      const request = {
        user,
        name,
        pause,
        ...(author === undefined ? {} : { author }),
        ...(message === undefined ? {} : { message }),
        ...(change.length === 0 ? {} : { changes: change }),
      };
      const result = await callLong(cli, 'commit', request, options);
      if (result === undefined) return;
      tellPause(cli, result);
      tellLeftOut(cli, result);
      cli.show(result, ({ digest }) => `${digest}\n`);
    });
}

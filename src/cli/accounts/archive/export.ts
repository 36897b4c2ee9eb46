// dockershctl user export: writes what is kept of a user into one file.

import type { Command } from 'commander';
import { sysexits } from '../../../lib/errors.ts';
import { humanSize } from '../../../lib/text/human.ts';
import { printable } from '../../../lib/text/printable.ts';
import { type AbsolutePath, resolved } from '../../../lib/values/absolute-path.ts';
import type { AdminResult } from '../../../protocol/admin.ts';
import type { Console } from '../../console.ts';
import { CliFailure } from '../../failure.ts';
import { noPauseOption, tellPause } from '../../layer/pause.ts';
import { type ProgressOptions, progressDisplay, progressOption } from '../../progress.ts';
import { fromDaemon } from './pipe.ts';

interface Options extends ProgressOptions {
  readonly stop: boolean;
  readonly pause: boolean;
}

export function addExport(user: Command, console: () => Console): void {
  user
    .command('export')
    .description(
      'write all that is kept of an account into one file, for "user import" here or on another host',
    )
    .argument('<name>', 'name of the account')
    .argument('<file>', 'the file to write, an old one is replaced; - is standard output')
    .option(
      '--stop',
      'stop the sandbox first, instead of pausing it for a last look at what has changed',
      false,
    )
    .addOption(noPauseOption())
    .addOption(progressOption())
    .action(async (name: string, file: string, options: Options) => {
      const cli = console();
      const { stop, pause } = options;
      using display = progressDisplay(cli, options);
      const call = async (path: AbsolutePath) =>
        await cli.call(
          'account.export',
          { user: name, path, stop, pause },
          { onProgress: (step) => display.show(step) },
        );
      const result = file === '-' ? await fromDaemon(output(), call) : await call(resolved(file));
      display[Symbol.dispose]();
      tellPause(cli, result);
      tellLeftOut(cli, result);
      if (file === '-') return;
      cli.show(
        result,
        ({ user: shown, path, sizeBytes, stopped }) =>
          `${printable(`wrote ${path}: ${humanSize(sizeBytes)}, all that is kept of ${shown}${stopped ? '; the sandbox was stopped' : ''}`)}\n`,
      );
    });
}

function output(): NodeJS.WritableStream {
  if (!process.stdout.isTTY) return process.stdout;
  throw new CliFailure({
    code: 'E_USAGE',
    message: 'standard output is a terminal',
    hint: 'Name a file, or pass the archive on, as in: dockershctl user export ada - | ssh OTHER dockershctl user import -',
    exitCode: sysexits.usage,
  });
}

function tellLeftOut(cli: Console, { leftOut: { count, examples } }: AdminResult<'account.export'>): void {
  for (const example of examples) cli.stderr.write(`dockershctl: left out ${printable(example)}\n`);
  const more = count - examples.length;
  if (more > 0) cli.stderr.write(`dockershctl: left out ${more} more\n`);
}

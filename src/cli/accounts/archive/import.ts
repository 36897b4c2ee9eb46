// dockershctl user import: makes what "user export" has written an account's own.

import type { Command } from 'commander';
import { sysexits } from '../../../lib/errors.ts';
import { humanSize } from '../../../lib/text/human.ts';
import { printable } from '../../../lib/text/printable.ts';
import { shellWord } from '../../../lib/text/shell-word.ts';
import { type AbsolutePath, resolved } from '../../../lib/values/absolute-path.ts';
import type { AdminProgress, AdminResult } from '../../../protocol/admin.ts';
import type { Console, Input } from '../../console.ts';
import { CliFailure } from '../../failure.ts';
import { type ProgressOptions, progressDisplay, progressOption } from '../../progress.ts';
import { toDaemon } from './pipe.ts';

interface Options extends ProgressOptions {
  readonly as?: string;
  readonly replace?: string;
}

export function addImport(user: Command, console: () => Console): void {
  user
    .command('import')
    .description('make an account\'s own what "user export" has written, on this host or another')
    .argument('<file>', 'the archive; - is standard input')
    .option('--as <name>', 'the account whose it is to be (default: the one that it was written of)')
    .option(
      '--replace <file>',
      'where something is kept of the account already: export that to this file first, then replace it',
    )
    .addOption(progressOption())
    .action(async (file: string, options: Options) => {
      const cli = console();
      const { as, replace } = options;
      const named = {
        ...(as === undefined ? {} : { as }),
        ...(replace === undefined ? {} : { replace: resolved(replace) }),
      };
      using display = progressDisplay(cli, options);
      const call = async (path: AbsolutePath, begin?: () => void) =>
        await cli.call(
          'account.import',
          { ...named, path },
          {
            onProgress: (step: AdminProgress) => {
              begin?.();
              display.show(step);
            },
          },
        );
      const result = file === '-' ? await toDaemon(input(cli.stdin), call) : await call(resolved(file));
      display[Symbol.dispose]();
      cli.show(result, told);
    });
}

function told(result: AdminResult<'account.import'>): string {
  const { user, uid, from, files, bytes, image, imageThere, stopped, saved } = result;
  const other = from.name === user && from.uid === uid ? '' : `, from ${from.name} (uid ${from.uid})`;
  return [
    `imported ${user} (uid ${uid})${other}: ${files} files, ${humanSize(bytes)}${stopped ? '; the sandbox was stopped' : ''}`,
    ...(saved === null ? [] : [`what was there before is in ${saved}`]),
    ...(image === null || imageThere
      ? []
      : [
          `The image that it was made on, ${image}, is not on this host: the next login takes what the policy names. To have the very same, bring it here first (dockershctl image pull ${shellWord(image)}, or image export there and image load here).`,
        ]),
  ]
    .map((line) => `${printable(line)}\n`)
    .join('');
}

function input(stdin: Input | undefined): Input {
  if (stdin !== undefined && stdin.isTTY !== true) return stdin;
  throw new CliFailure({
    code: 'E_USAGE',
    message: 'standard input is a terminal',
    hint: 'Name a file, or pass an archive, as in: ssh OTHER dockershctl user export ada - | dockershctl user import -',
    exitCode: sysexits.usage,
  });
}

// dockershctl image pull: fetches an image from a registry.

import type { Command } from 'commander';
import type { Console } from './console.ts';
import { type ProgressOptions, progressDisplay, progressOption } from './progress.ts';
import { printable } from './table.ts';

interface Options extends ProgressOptions {
  as?: string;
}

export function addImagePull(image: Command, console: () => Console): void {
  image
    .command('pull')
    .description('fetch an image from a registry')
    .argument('<name>', 'as docker pull takes it: debian:trixie, registry.example/lab/base@sha256:…')
    .option('--as <name>', 'what to call it here (default: the name as given)')
    .addOption(progressOption())
    .action(async (name: string, options: Options) => {
      const cli = console();
      using display = progressDisplay(cli, options);
      const request = { name, ...(options.as === undefined ? {} : { as: options.as }) };
      const result = await cli.call('image.pull', request, { onProgress: (step) => display.show(step) });
      display[Symbol.dispose]();
      cli.show(result, ({ digest, changed, from }) => {
        const status = changed ? 'Downloaded newer image for' : 'Image is up to date for';
        return printableLines(`Digest: ${digest}`, `Status: ${status} ${result.name}`, from);
      });
    });
}

function printableLines(...lines: readonly string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join('');
}

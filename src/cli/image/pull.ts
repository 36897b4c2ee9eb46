// dockershctl image pull: fetches an image from a registry.

import type { Command } from 'commander';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { callLong, detachOption, type LongOptions } from '../long-verb.ts';
import { progressOption } from '../progress.ts';

interface Options extends LongOptions {
  as?: string;
  platform?: string;
}

export function addImagePull(image: Command, console: () => Console): void {
  image
    .command('pull')
    .description('fetch an image from a registry')
    .argument('<name>', 'as docker pull takes it: debian:trixie, registry.example/lab/base@sha256:…')
    .option('--as <name>', 'what to call it here (default: the name as given)')
    .option('--platform <platform>', "linux/arm64 and the like (default: this machine's)")
    .addOption(detachOption())
    .addOption(progressOption())
    .action(async (name: string, options: Options) => {
      const cli = console();
      const { as, platform } = options;
      const request = { name, ...(as !== undefined && { as }), ...(platform !== undefined && { platform }) };
      const result = await callLong(cli, 'image.pull', request, options);
      if (result === undefined) return;
      cli.show(result, ({ digest, changed, from, mirror, native, platform: made }) => {
        const status = changed ? 'Downloaded newer image for' : 'Image is up to date for';
        const source = mirror === null ? from : `${from}, by way of ${mirror}`;
        const foreign = `For ${made}: on this machine its programs run only by emulation`;
        const lines = [`Digest: ${digest}`, `Status: ${status} ${result.name}`, source];
        return printableLines(...lines, ...(native ? [] : [foreign]));
      });
    });
}

function printableLines(...lines: readonly string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join('');
}

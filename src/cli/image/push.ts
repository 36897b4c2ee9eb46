// dockershctl image push: sends an image to a registry.

import type { Command } from 'commander';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { humanSize } from '../human.ts';
import { type ProgressOptions, progressDisplay, progressOption } from '../progress.ts';

export function addImagePush(image: Command, console: () => Console): void {
  image
    .command('push')
    .description('send an image to a registry')
    .argument('<name>', 'the name of the image here')
    .argument('[destination]', 'where to, as registry.example/lab/base:2 (default: the same name)')
    .addOption(progressOption())
    .action(async (name: string, destination: string | undefined, options: ProgressOptions) => {
      const cli = console();
      using display = progressDisplay(cli, options);
      const request = { name, ...(destination === undefined ? {} : { destination }) };
      const result = await cli.call('image.push', request, { onProgress: (step) => display.show(step) });
      display[Symbol.dispose]();
      cli.show(
        result,
        ({ destination: target, digest, layersSent, layersMounted, layersThere, bytesSent }) =>
          `${printable(target)}: digest: ${digest}\n` +
          `${layersSent} layers sent (${humanSize(bytesSent)}), ${layersMounted} mounted, ${layersThere} there already\n`,
      );
    });
}

// dockershctl image push: sends an image to a registry.

import type { Command } from 'commander';
import { humanSize } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { callLong, detachOption, type LongOptions } from '../long-verb.ts';
import { progressOption } from '../progress.ts';

export function addImagePush(image: Command, console: () => Console): void {
  image
    .command('push')
    .description('send an image to a registry')
    .argument('<name>', 'the name of the image here')
    .argument('[destination]', 'where to, as registry.example/lab/base:2 (default: the same name)')
    .addOption(detachOption())
    .addOption(progressOption())
    .action(async (name: string, destination: string | undefined, options: LongOptions) => {
      const cli = console();
      const request = { name, ...(destination === undefined ? {} : { destination }) };
      const result = await callLong(cli, 'image.push', request, options);
      if (result === undefined) return;
      cli.show(
        result,
        ({ destination: target, digest, layersSent, layersMounted, layersThere, bytesSent }) =>
          `${printable(target)}: digest: ${digest}\n` +
          `${layersSent} layers sent (${humanSize(bytesSent)}), ${layersMounted} mounted, ${layersThere} there already\n`,
      );
    });
}

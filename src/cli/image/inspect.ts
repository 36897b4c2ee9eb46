// dockershctl image inspect: prints everything that is known of an image, as JSON like docker's.

import type { Command } from 'commander';
import { printableJson } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';

export function addImageInspect(image: Command, console: () => Console): void {
  image
    .command('inspect')
    .description('show everything that is known of an image, as JSON')
    .argument('<name>', 'the name of the image')
    .action(async (name: string) => {
      const cli = console();
      // An image's labels may hold anything.
      cli.show(await cli.call('image.inspect', { name }), (details) => `${printableJson(details, 2)}\n`);
    });
}

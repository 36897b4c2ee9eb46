// dockershctl image rm: removes an image.

import type { Command } from 'commander';
import type { Console } from '../console.ts';

export function addImageRm(image: Command, console: () => Console): void {
  image
    .command('rm')
    .alias('remove')
    .description('remove an image')
    .argument('<name>', 'the name of the image')
    .action(async (name: string) => {
      const cli = console();
      cli.show(await cli.call('image.rm', { name }), (result) => `removed ${result.name}\n`);
    });
}

// dockershctl image rm: removes an image.

import type { Command } from 'commander';
import type { Console } from '../console.ts';

export function addImageRm(image: Command, console: () => Console): void {
  image
    .command('rm')
    .alias('remove')
    .description('remove an image')
    .argument('<name>', 'the name of the image')
    .option('--force', 'also where the policy names it, or a sandbox runs on it', false)
    .action(async (name: string, { force }: { force: boolean }) => {
      const cli = console();
      cli.show(await cli.call('image.rm', { name, force }), (result) => `removed ${result.name}\n`);
    });
}

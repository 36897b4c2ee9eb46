// dockershctl image tag: gives an image one more name.

import type { Command } from 'commander';
import type { Console } from '../console.ts';

export function addImageTag(image: Command, console: () => Console): void {
  image
    .command('tag')
    .description('give an image one more name, or move a name to it')
    .argument('<source>', 'a name, or NAME@DIGEST')
    .argument('<target>', 'the name that means the same image from now on')
    .action(async (source: string, target: string) => {
      const cli = console();
      cli.show(await cli.call('image.tag', { source, target }), () => '');
    });
}

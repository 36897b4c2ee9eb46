// dockershctl image gc: removes what no name, no sandbox and no user's layer needs.

import type { Command } from 'commander';
import type { Console } from '../console.ts';
import { humanSize } from '../human.ts';

export function addImageGc(image: Command, console: () => Console): void {
  image
    .command('gc')
    .alias('prune')
    .description("remove what no name, no sandbox and no user's layer needs")
    .action(async () => {
      const cli = console();
      cli.show(
        await cli.call('image.gc', {}),
        ({ layers, blobs, bytes }) =>
          `removed ${layers} layers and ${blobs} blobs\nTotal reclaimed space: ${humanSize(bytes)}\n`,
      );
    });
}

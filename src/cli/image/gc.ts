// dockershctl image gc: removes what no name, no sandbox and no user's layer needs.

import type { Command } from 'commander';
import { humanSize } from '../../lib/text/human.ts';
import type { Console } from '../console.ts';
import { callLong, detachOption, type LongOptions } from '../long-verb.ts';

const hint = 'Pull or import it again, or remove it; "dockershctl image verify" says what is wrong with it.';

export function addImageGc(image: Command, console: () => Console): void {
  image
    .command('gc')
    .alias('prune')
    .description("remove what no name, no sandbox and no user's layer needs")
    .addOption(detachOption())
    .action(async (options: LongOptions) => {
      const cli = console();
      const result = await callLong(cli, 'image.gc', {}, options);
      if (result === undefined) return;
      cli.show(result, ({ layers, blobs, bytes, damaged }) =>
        damaged.length > 0
          ? `removed nothing: what ${damaged.join(', ')} needs cannot be told, because it is damaged\n${hint}\n`
          : `removed ${layers} layers and ${blobs} blobs\nTotal reclaimed space: ${humanSize(bytes)}\n`,
      );
    });
}

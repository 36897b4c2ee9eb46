// dockershctl image ls: the images of this host, in docker's columns.

import type { Command } from 'commander';
import { humanAgo, humanSize, shortDigest } from '../../lib/text/human.ts';
import { parseImageName } from '../../lib/text/image-name.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Column } from '../../lib/text/table.ts';
import type { AdminImage } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';

const columns: Column[] = [
  { header: 'REPOSITORY' },
  { header: 'TAG' },
  { header: 'IMAGE ID' },
  { header: 'CREATED' },
  { header: 'LAYERS', align: 'right' },
  { header: 'SIZE', align: 'right' },
];

export function addImageLs(image: Command, console: () => Console): void {
  image
    .command('ls')
    .alias('list')
    .description('list the images')
    .option('-q, --quiet', 'only the names, one a line')
    .action(async ({ quiet }: { quiet?: true }) => {
      const cli = console();
      cli.show(await cli.call('image.ls', {}), ({ images }) =>
        quiet === true
          ? images.map(({ name }) => `${printable(name)}\n`).join('')
          : cli.table(columns, images.map(row)),
      );
    });
}

function row(image: AdminImage): string[] {
  const parsed = parseImageName(image.name);
  return [
    parsed?.name ?? image.name,
    parsed?.tag ?? '-',
    shortDigest(image.digest),
    humanAgo(image.createdAt),
    String(image.layers),
    image.sizeBytes === null || image.virtual ? '-' : humanSize(image.sizeBytes),
  ];
}

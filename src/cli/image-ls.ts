// dockershctl image ls: the images of this host.

import type { Command } from 'commander';
import type { AdminImage } from '../protocol/admin.ts';
import type { Console } from './console.ts';
import { humanSize } from './human.ts';
import type { Column } from './table.ts';

const columns: Column[] = [
  { header: 'NAME' },
  { header: 'DIGEST' },
  { header: 'LAYERS', align: 'right' },
  { header: 'SIZE', align: 'right' },
  { header: 'CREATED' },
];

export function addImageLs(image: Command, console: () => Console): void {
  image
    .command('ls')
    .description('list the images')
    .action(async () => {
      const cli = console();
      cli.show(await cli.call('image.ls', {}), ({ images }) => cli.table(columns, images.map(row)));
    });
}

function row(image: AdminImage): string[] {
  return [
    image.name,
    shortDigest(image.digest),
    String(image.layers),
    image.sizeBytes === null || image.virtual ? '-' : humanSize(image.sizeBytes),
    image.createdAt === null ? '-' : image.createdAt.slice(0, 16).replace('T', ' '),
  ];
}

/** Enough of a digest to tell images apart; --json has all of it. */
function shortDigest(digest: string): string {
  return digest.replace(/^(.*:)([^:]{12})[^:]+$/, '$1$2');
}

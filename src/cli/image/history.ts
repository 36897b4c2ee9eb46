// dockershctl image history: lists the steps by which an image was made.

import type { Command } from 'commander';
import { humanAgo, humanSize, shortDigest } from '../../lib/text/human.ts';
import { type Column, truncate } from '../../lib/text/table.ts';
import type { AdminHistoryEntry } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';

const columns: Column[] = [
  { header: 'LAYER' },
  { header: 'CREATED' },
  { header: 'CREATED BY' },
  { header: 'SIZE', align: 'right' },
  { header: 'COMMENT' },
];

/** Columns of what made a layer, as docker cuts it. */
const createdByWidth = 45;

interface Options {
  trunc: boolean;
}

export function addImageHistory(image: Command, console: () => Console): void {
  image
    .command('history')
    .description('show the steps by which an image was made, latest first')
    .argument('<name>', 'the name of the image')
    .option('--no-trunc', 'cut nothing')
    .action(async (name: string, { trunc }: Options) => {
      const cli = console();
      cli.show(await cli.call('image.history', { name }), ({ history }) =>
        cli.table(
          columns,
          history.map((entry) => row(entry, trunc)),
        ),
      );
    });
}

function row(
  { diffId, createdAt, createdBy, sizeBytes, comment }: AdminHistoryEntry,
  cut: boolean,
): string[] {
  return [
    diffId === null ? '-' : cut ? shortDigest(diffId) : diffId,
    humanAgo(createdAt),
    cut ? truncate(createdBy, createdByWidth) : createdBy,
    humanSize(sizeBytes),
    comment,
  ];
}

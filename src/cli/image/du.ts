// dockershctl image du: shows what images and users' layers take on the disk, and what of it is shared.

import type { Command } from 'commander';
import { humanSize, shortDigest } from '../../lib/text/human.ts';
import type { Column } from '../../lib/text/table.ts';
import type { AdminUse } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';

const imageColumns: Column[] = [
  { header: 'IMAGE' },
  { header: 'IMAGE ID' },
  { header: 'SIZE', align: 'right' },
  { header: 'SHARED SIZE', align: 'right' },
  { header: 'UNIQUE SIZE', align: 'right' },
];

const userColumns: Column[] = [
  { header: 'USER' },
  { header: 'LAYER', align: 'right' },
  { header: 'FILES', align: 'right' },
  { header: 'SNAPSHOTS', align: 'right' },
  { header: 'SNAPSHOT SIZE', align: 'right' },
];

export function addImageDu(image: Command, console: () => Console): void {
  image
    .command('du')
    .description("show what images and users' layers take on the disk, most first")
    .option('--all', 'list users who have nothing, too; --json always does')
    .action(async ({ all }: { all?: true }) => {
      const cli = console();
      const use = sorted(await cli.call('image.du', {}));
      cli.show(use, () => report(all === true ? use : { ...use, users: use.users.filter(hasSome) }, cli));
    });
}

function sorted(use: AdminUse): AdminUse {
  const bytesOf = ({ layerBytes, snapshotBytes }: AdminUse['users'][number]): number =>
    layerBytes + snapshotBytes;
  return {
    ...use,
    images: use.images.toSorted((a, b) => b.ownBytes - a.ownBytes || b.sizeBytes - a.sizeBytes),
    users: use.users.toSorted((a, b) => bytesOf(b) - bytesOf(a)),
  };
}

function hasSome({ layerBytes, files, snapshots }: AdminUse['users'][number]): boolean {
  return layerBytes > 0 || files > 0 || snapshots > 0;
}

function report(use: AdminUse, cli: Console): string {
  const images = use.images.map(({ names, digest, sizeBytes, sharedBytes, ownBytes }) => [
    names.join(', '),
    shortDigest(digest),
    ...[sizeBytes, sharedBytes, ownBytes].map(humanSize),
  ]);
  const users = use.users.map(({ user, uid, account, layerBytes, files, snapshots, snapshotBytes }) => [
    account === user ? user : `${user} (uid ${uid}: ${account === null ? 'no account' : `now ${account}`})`,
    humanSize(layerBytes),
    String(files),
    String(snapshots),
    humanSize(snapshotBytes),
  ]);
  const { layersBytes, blobsBytes, unnamedBytes, temporaryBytes, totalBytes } = use;
  const sums = [
    `Images: ${humanSize(totalBytes)}`,
    `layers ${humanSize(layersBytes)}`,
    `archives and documents ${humanSize(blobsBytes)}`,
    `unfinished ${humanSize(temporaryBytes)}`,
    `without a name ${humanSize(unnamedBytes)}`,
  ];
  return [cli.table(imageColumns, images), cli.table(userColumns, users), `${sums.join(', ')}\n`].join('\n');
}

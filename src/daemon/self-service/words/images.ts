// @images and @image use: the images that the user can choose among, and their snapshots.

import { humanAgo, humanSize } from '../../../lib/text/human.ts';
import { renderTable } from '../../../lib/text/table.ts';
import { isAllowedImage } from '../../../policy/values/allowed-image.ts';
import { type Asking, refusal, type WordHandler, type WordParts } from '../asking.ts';
import { snapshotTable } from './snapshots.ts';

const columns = [
  { header: 'IMAGE' },
  { header: 'MADE' },
  { header: 'SIZE', align: 'right' as const },
  { header: '' },
];

async function imagesFor(asking: Asking, { admin, verb }: WordParts) {
  const { policy } = asking;
  const { images } = await verb(asking, 'image.ls', {});
  const { registry } = admin.policy.images;
  return images
    .filter(({ name }) => name === policy.image || isAllowedImage(name, policy.imagesAllowed, registry))
    .map(({ name, digest, createdAt, sizeBytes, virtual }) => ({
      ...{ name, digest, createdAt, sizeBytes: virtual ? null : sizeBytes },
      yours: name === policy.image,
    }));
}

export const images: WordHandler = async (asking, parts) => {
  const all = await imagesFor(asking, parts);
  const { snapshots } = await snapshotsOf(asking, parts);
  const rows = all.map(({ name, createdAt, sizeBytes, yours }) => [
    ...[name, humanAgo(createdAt), sizeBytes === null ? '-' : humanSize(sizeBytes), yours ? 'yours' : ''],
  ]);
  const kept = snapshots.length === 0 ? '' : `\n${snapshotTable(snapshots)}`;
  return { json: { images: all, snapshots }, text: `${renderTable(columns, rows)}${kept}` };
};

/** Who has never had a sandbox has no snapshot either. */
async function snapshotsOf(asking: Asking, { admin, verb }: WordParts) {
  const uids = await admin.accounts.uids();
  return uids.includes(asking.user.uid) ? await verb(asking, 'snapshot.ls', {}) : { snapshots: [] };
}

export const useImage: WordHandler = async () => {
  throw refusal('E_SELF_SERVICE', 'the policy of this host lets you choose no image');
};

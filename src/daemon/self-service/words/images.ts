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

export const useImage: WordHandler = async ({ command, user, policy }, { admin }) => {
  const [, name = ''] = command.args;
  const { images: store, policy: policies, store: users } = admin;
  const { problems } = policies.userSettings(user, `image = ${name}\n`, { shown: '', may: ['image'] });
  if (problems.length > 0) {
    throw refusal('E_SELF_SERVICE', `"${name}" is none of the images that you may choose: see @images`);
  }
  const found = await store.resolve(name);
  if (found === undefined) throw refusal('E_NOT_FOUND', `this host has no image "${name}"`);
  await store.requireTrusted(name, found.digest);
  await users.owners.claim(user);
  await users.choices.choose(user.uid, 'image', name);
  const running = admin.engine.digestOf(user.uid);
  const until =
    running === undefined || running === found.digest
      ? ''
      : ` Until it ends, your sandbox keeps the one it has.`;
  return {
    json: { image: name, before: policy.image, running: running !== undefined },
    text: `Your next sandbox starts from ${name}.${until}`,
  };
};

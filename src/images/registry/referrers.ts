// Lists what refers to an image where the registry does not do so itself: in an index that a tag made of the subject's
// digest means (distribution specification, "pushing manifests with subject", "referrers tag schema").

import { digestOf } from '../digest.ts';
import { type Descriptor, type ImageManifest, mediaTypes } from '../oci.ts';
import type { RegistryClient } from './client.ts';
import { RegistryError } from './failure.ts';
import { fetchDocument, putManifest } from './manifests.ts';

/** Adds `referrer` to the index of its subject. Whoever writes to it at the same time may undo that: there is no lock. */
export async function addReferrer(
  client: RegistryClient,
  repository: string,
  subject: Descriptor,
  referrer: Descriptor,
  manifest: ImageManifest,
): Promise<void> {
  const tag = subject.digest.replace(':', '-');
  const known = await listedReferrers(client, repository, tag);
  if (known.some(({ digest }) => digest === referrer.digest)) return;
  const { mediaType, digest, size } = referrer;
  const { artifactType = manifest.config.mediaType, annotations } = manifest;
  const entry = { mediaType, digest, size, artifactType, ...(annotations && { annotations }) };
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [...known, entry] };
  const bytes = Buffer.from(JSON.stringify(index));
  const descriptor = { mediaType: mediaTypes.index, digest: digestOf(bytes), size: bytes.length };
  await putManifest(client, repository, tag, { descriptor, bytes });
}

async function listedReferrers(
  client: RegistryClient,
  repository: string,
  tag: string,
): Promise<readonly Descriptor[]> {
  try {
    const document = await fetchDocument(client, repository, tag);
    return document.kind === 'index' ? document.index.manifests : [];
  } catch (error) {
    if (error instanceof RegistryError && error.fault === 'missing') return [];
    throw error;
  }
}

// Fetches the signatures of an image from its registry: by the tag that cosign makes of the image's digest, and by the lists of
// what refers to it, the registry's own or the tag that stands for one (distribution specification, "listing referrers").

import { parseBoundedJson } from '../../lib/bounded-json.ts';
import { type Digest, digestOf } from '../digest.ts';
import { type Descriptor, type ImageIndex, imageIndex, isManifest, mediaTypes } from '../oci.ts';
import { carrierLimits, signatureLayers, signaturesIn, signatureTag } from '../trust/carrier.ts';
import type { Signature } from '../trust/signature.ts';
import { blobPath, pullScope, referrersPath } from './api.ts';
import type { RegistryClient } from './client.ts';
import { RegistryError } from './failure.ts';

/** About any of these digests, unverified. Throws RegistryError where the registry does not answer; none is no failure. */
export async function fetchSignatures(
  client: RegistryClient,
  repository: string,
  digests: readonly Digest[],
): Promise<Signature[]> {
  const found: Signature[] = [];
  for (const digest of digests) {
    const tagged = await fetchManifest(client, repository, signatureTag(digest));
    const manifests = tagged === undefined ? [] : [tagged];
    for (const entry of await referrersOf(client, repository, digest)) {
      if (!isManifest(entry.mediaType) || entry.size > carrierLimits.manifestBytes) continue;
      if (manifests.length >= carrierLimits.manifests) break;
      const manifest = await fetchManifest(client, repository, entry.digest);
      if (manifest !== undefined && digestOf(manifest) === entry.digest) manifests.push(manifest);
    }
    for (const layer of manifests.flatMap((manifest) => signatureLayers(manifest))) {
      if (found.length >= carrierLimits.layers) return found;
      const bytes = await fetchPayload(client, repository, layer);
      if (bytes !== undefined) found.push(...signaturesIn(layer, bytes));
    }
  }
  return found;
}

async function referrersOf(
  client: RegistryClient,
  repository: string,
  digest: Digest,
): Promise<Descriptor[]> {
  const own = await get(client, repository, referrersPath(repository, digest), carrierLimits.manifestBytes);
  const listed = indexIn(own);
  if (listed !== undefined) return listed.manifests;
  const tag = await fetchManifest(client, repository, digest.replace(':', '-'));
  return indexIn(tag)?.manifests ?? [];
}

function indexIn(bytes: Buffer | undefined): ImageIndex | undefined {
  if (bytes === undefined) return undefined;
  try {
    return imageIndex.safeParse(parseBoundedJson(bytes)).data;
  } catch {
    return undefined; // an answer of a registry that knows no such list
  }
}

async function fetchManifest(client: RegistryClient, repository: string, reference: string) {
  const target = blobPath(repository, 'manifests', reference);
  return await get(client, repository, target, carrierLimits.manifestBytes);
}

async function fetchPayload(client: RegistryClient, repository: string, layer: Descriptor) {
  return await get(
    client,
    repository,
    blobPath(repository, 'blobs', layer.digest),
    carrierLimits.payloadBytes,
  );
}

/** Undefined where there is none, or more of it than of any signature. */
async function get(
  client: RegistryClient,
  repository: string,
  target: string,
  mostBytes: number,
): Promise<Buffer | undefined> {
  const answer = await client.call({
    method: 'GET',
    target,
    scopes: [pullScope(repository)],
    headers: { accept: `${mediaTypes.manifest}, ${mediaTypes.index}, */*` },
    accept: [200, 400, 404, 405],
  });
  if (answer.status !== 200) {
    answer.discard();
    return undefined;
  }
  try {
    return await answer.bytes(mostBytes);
  } catch (error) {
    if (error instanceof RegistryError && error.fault === 'limit') return undefined;
    throw error;
  }
}

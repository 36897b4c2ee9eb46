// Finds the signatures that an OCI image layout holds beside its images, as "cosign save" and copies of a registry's tags write
// them. What is too large for a signature is passed over.

import { hexOf } from '../digest.ts';
import { type Descriptor, imageIndex, isManifest } from '../oci.ts';
import { carrierLimits, signatureLayers, signaturesIn } from '../trust/carrier.ts';
import type { Signature } from '../trust/signature.ts';
import { type Bundle, readMember, readMemberJson } from './bundle.ts';

/** Of all images of the layout. */
export async function layoutSignatures(bundle: Bundle): Promise<Signature[]> {
  const index = imageIndex.safeParse(await readMemberJson(bundle, 'index.json'));
  const listed = (index.data?.manifests ?? []).filter(({ mediaType }) => isManifest(mediaType));
  const found: Signature[] = [];
  let manifests = 0;
  for (const entry of listed) {
    const bytes = await read(bundle, entry, carrierLimits.manifestBytes);
    const layers = bytes === undefined ? [] : signatureLayers(bytes);
    if (layers.length === 0) continue;
    manifests += 1;
    for (const layer of layers) {
      if (found.length >= carrierLimits.layers) return found;
      const payload = await read(bundle, layer, carrierLimits.payloadBytes);
      if (payload !== undefined) found.push(...signaturesIn(layer, payload));
    }
    if (manifests === carrierLimits.manifests) break;
  }
  return found;
}

async function read(bundle: Bundle, { digest }: Descriptor, mostBytes: number): Promise<Buffer | undefined> {
  const name = `blobs/sha256/${hexOf(digest)}`;
  const member = await bundle.member(name);
  if (member === undefined || member.size > mostBytes) return undefined;
  return await readMember(bundle, name);
}

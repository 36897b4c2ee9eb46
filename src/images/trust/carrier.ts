// Takes signatures out of the manifests that carry them in registries and layouts: each is a layer, with the signature beside
// it (simple signing) or in it (a sigstore bundle). Pure.

import * as z from 'zod';
import { parseBoundedJson } from '../../lib/bounded-json.ts';
import { type Digest, digestOf } from '../digest.ts';
import { type Descriptor, descriptor } from '../oci.ts';
import type { Signature } from './signature.ts';

/** Of everything around one image's signatures; beyond, what was not asked for is passed over. */
export const carrierLimits = {
  /** Bytes of a manifest that carries signatures. */
  manifestBytes: 256 * 1024,
  /** Bytes of one signature's document. */
  payloadBytes: 24 * 1024,
  /** Manifests, and layers of all of them together. */
  manifests: 32,
  layers: 64,
} as const;

const simpleType = 'application/vnd.dev.cosign.simplesigning.v1+json';
const bundleType =
  /^application\/vnd\.dev\.sigstore\.bundle\.v0\.3\+json$|^application\/vnd\.dev\.sigstore\.bundle\+json/;
const signatureAnnotation = 'dev.cosignproject.cosign/signature';

/** The tag by which a registry has the signatures of an image. */
export function signatureTag(digest: Digest): string {
  return `${digest.replace(':', '-')}.sig`;
}

const carrier = z.looseObject({ layers: z.array(descriptor).nullish() });

/** Layers of a manifest that are signatures; empty where it is no manifest, or carries none. */
export function signatureLayers(manifest: Uint8Array): Descriptor[] {
  const parsed = carrier.safeParse(jsonOf(manifest));
  const layers = parsed.data?.layers ?? [];
  return layers.filter(
    ({ mediaType, size }) =>
      (mediaType === simpleType || bundleType.test(mediaType)) && size <= carrierLimits.payloadBytes,
  );
}

const bundle = z.looseObject({
  dsseEnvelope: z.looseObject({
    payload: z.string(),
    payloadType: z.literal('application/vnd.in-toto+json'),
    signatures: z.array(z.looseObject({ sig: z.string() })).max(8),
  }),
});

/** Of a layer and its bytes. What is damaged is none. */
export function signaturesIn(layer: Descriptor, bytes: Buffer): Signature[] {
  if (bytes.length !== layer.size || digestOf(bytes) !== layer.digest) return [];
  if (layer.mediaType === simpleType) {
    const signature = layer.annotations?.[signatureAnnotation];
    if (signature === undefined || signature.length > mostSignatureChars) return [];
    return [{ kind: 'simple', payload: bytes.toString('base64'), signature }];
  }
  const parsed = bundle.safeParse(jsonOf(bytes));
  if (!parsed.success) return [];
  const { payload, signatures } = parsed.data.dsseEnvelope;
  return signatures
    .filter(({ sig }) => sig.length <= mostSignatureChars)
    .map(({ sig }): Signature => ({ kind: 'envelope', payload, signature: sig }));
}

const mostSignatureChars = 1024;

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return parseBoundedJson(Buffer.from(bytes));
  } catch {
    return undefined; // no document, so nothing in it
  }
}

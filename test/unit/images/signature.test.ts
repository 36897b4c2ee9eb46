// Signatures: one that cosign itself made, and what becomes of it when anything is changed.

import { createPublicKey } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { signatureLayers, signaturesIn } from '../../../src/images/trust/carrier.ts';
import { claimedDigest, verifiedStatement } from '../../../src/images/trust/signature.ts';
import {
  cosignDigest,
  cosignImage,
  cosignPublicPem,
  cosignSignature,
} from '../../fixtures/images/cosign-signed.ts';
import { labKey, otherKey, signedDocument, simpleCarrier } from '../../fixtures/images/signing.ts';
import { digestOf } from '../../integration/images/image-builder.ts';

const key = createPublicKey(cosignPublicPem);
const publicOf = (pem: string) => createPublicKey(pem);

it('is verified as cosign has made it', () => {
  expect(cosignImage().manifest.digest).toBe(cosignDigest);
  const said = { digest: cosignDigest, name: 'registry.example/lab/base' };
  expect(verifiedStatement(cosignSignature, key)).toEqual(said);
  expect(claimedDigest(cosignSignature)).toBe(cosignDigest);
});

it('counts for nothing where one bit of it is another', () => {
  for (const part of ['payload', 'signature'] as const) {
    const bytes = Buffer.from(cosignSignature[part], 'base64');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const signature = { ...cosignSignature, [part]: changed.toString('base64') };
      expect(verifiedStatement(signature, key), `${part} ${at}`).toBeUndefined();
    }
  }
  expect(verifiedStatement(cosignSignature, publicOf(otherKey.publicPem))).toBeUndefined();
  expect(verifiedStatement({ ...cosignSignature, kind: 'envelope' }, key)).toBeUndefined();
});

it.each([
  ['another kind of document', { critical: { type: 'something else' } }],
  ['no image', { critical: { type: 'cosign container image signature', identity: {} } }],
  [
    'another algorithm',
    { critical: { type: 'cosign container image signature', image: { 'docker-manifest-digest': 'md5:0' } } },
  ],
  ['a list', []],
])('that signs %s signs no image', (_what, document) => {
  const { manifest, blobs } = simpleCarrier(Buffer.from(JSON.stringify(document)), labKey);
  const [layer] = signatureLayers(manifest);
  const [signature] = layer === undefined ? [] : signaturesIn(layer, blobs[1] ?? Buffer.alloc(0));
  if (signature === undefined) throw new Error('the fixture carries no signature');
  expect(verifiedStatement(signature, publicOf(labKey.publicPem))).toBeUndefined();
});

it('is not taken from a layer that is another one than its manifest says', () => {
  const { manifest } = simpleCarrier(signedDocument(cosignDigest, 'x'), labKey);
  const [layer] = signatureLayers(manifest);
  if (layer === undefined) throw new Error('the fixture carries no signature');
  expect(signaturesIn(layer, signedDocument(digestOf(Buffer.from('y')), 'x'))).toEqual([]);
});

it('is looked for in any bytes without a fault', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        expect(signatureLayers(bytes)).toEqual([]);
        const payload = Buffer.from(bytes).toString('base64');
        expect(claimedDigest({ kind: 'simple', payload, signature: '' })).toBeUndefined();
        expect(claimedDigest({ kind: 'envelope', payload, signature: '' })).toBeUndefined();
      },
    ),
  );
});

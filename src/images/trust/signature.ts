// Signatures of images as cosign makes them with a pair of keys: over a small document that names the image's digest (simple
// signing), or over a statement in an envelope (DSSE, what bundles hold). What a document says counts once its signature has
// been verified, and not before. Pure.

import { type KeyObject, verify } from 'node:crypto';
import * as z from 'zod';
import { parseBoundedJson } from '../../lib/bounded-json.ts';
import { type Digest, digestFromHex, digestSchema } from '../digest.ts';

/** Base64 of something that is much shorter in every real signature. */
const text = z.string().max(32_768);

export const signatureSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('simple'), payload: text, signature: text }),
  z.strictObject({ kind: z.literal('envelope'), payload: text, signature: text }),
]);
/** What is kept of one: `payload` and `signature` are base64. */
export type Signature = z.infer<typeof signatureSchema>;

/** What whoever has the key has said. */
export interface Statement {
  /** Of the image: its manifest or an index. */
  readonly digest: Digest;
  /** What the image was called, "registry.example/lab/base"; undefined: the signature does not say. */
  readonly name: string | undefined;
}

const simplePayload = z.looseObject({
  critical: z.looseObject({
    type: z.enum(['cosign container image signature', 'atomic container signature']),
    image: z.looseObject({ 'docker-manifest-digest': digestSchema }),
    identity: z.looseObject({ 'docker-reference': z.string().max(1024) }).nullish(),
  }),
});

/** An in-toto statement that says "this is signed", and nothing else: one about an image's parts signs nothing. */
const signStatement = z.looseObject({
  _type: z.enum(['https://in-toto.io/Statement/v1', 'https://in-toto.io/Statement/v0.1']),
  predicateType: z.literal('https://sigstore.dev/cosign/sign/v1'),
  subject: z.tuple([
    z.looseObject({ digest: z.looseObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }) }),
  ]),
});

const envelopeType = 'application/vnd.in-toto+json';

/** Undefined: not by this key, or not about an image. */
export function verifiedStatement(signature: Signature, key: KeyObject): Statement | undefined {
  const payload = Buffer.from(signature.payload, 'base64');
  const signed = signature.kind === 'simple' ? payload : preAuthentication(payload);
  if (!verify('sha256', signed, key, Buffer.from(signature.signature, 'base64'))) return undefined;
  const document = jsonOf(payload);
  return signature.kind === 'simple' ? simpleStatement(document) : envelopeStatement(document);
}

/** The digest that a signature claims to be about, for finding out which ones are worth keeping. */
export function claimedDigest(signature: Signature): Digest | undefined {
  const document = jsonOf(Buffer.from(signature.payload, 'base64'));
  const statement = signature.kind === 'simple' ? simpleStatement(document) : envelopeStatement(document);
  return statement?.digest;
}

/** DSSE, protocol.md, "PAE". */
function preAuthentication(payload: Buffer): Buffer {
  const head = `DSSEv1 ${envelopeType.length} ${envelopeType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

function simpleStatement(document: unknown): Statement | undefined {
  const parsed = simplePayload.safeParse(document);
  if (!parsed.success) return undefined;
  const { image, identity } = parsed.data.critical;
  const name = identity?.['docker-reference'] ?? '';
  return { digest: image['docker-manifest-digest'], name: name === '' ? undefined : name };
}

function envelopeStatement(document: unknown): Statement | undefined {
  const parsed = signStatement.safeParse(document);
  if (!parsed.success) return undefined;
  return { digest: digestFromHex(parsed.data.subject[0].digest.sha256), name: undefined };
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return parseBoundedJson(bytes);
  } catch {
    return undefined; // no document at all
  }
}

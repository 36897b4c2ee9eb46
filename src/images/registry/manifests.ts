// Manifests and indexes: OCI image-spec manifest.md and image-index.md, and docker's schema 2 of both. Their
// bytes are kept as they came, because their digest is their name.

import { isUtf8 } from 'node:buffer';
import { parseBoundedJson } from '../../lib/bounded-json.ts';
import { type Digest, digestOf } from '../digest.ts';
import {
  type Descriptor,
  type ImageIndex,
  type ImageManifest,
  imageIndex,
  imageManifest,
  isIndex,
  isManifest,
  mediaTypes,
} from '../oci.ts';
import { describePlatform, listPlatforms, type Platform, thisPlatform } from '../platform.ts';
import { selectImage } from '../select.ts';
import { blobPath, pullScope, pushScope } from './api.ts';
import type { RegistryClient } from './client.ts';
import { RegistryError } from './failure.ts';
import type { Answer } from './http/exchange.ts';
import { bodyFromBytes } from './http/send-body.ts';
import { requireLayers } from './layer-rules.ts';
import type { RegistryLimits } from './limits.ts';

/** A document as it came, with what it says. */
export interface RemoteDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}
export interface RemoteManifest extends RemoteDocument {
  readonly manifest: ImageManifest;
}
export interface RemoteImage extends RemoteManifest {
  /** The index that the name means, where it is one, and those within that led on. */
  readonly indexes: readonly RemoteDocument[];
}

type Parsed =
  | { readonly kind: 'index'; readonly document: RemoteDocument; readonly index: ImageIndex }
  | { readonly kind: 'manifest'; readonly document: RemoteDocument; readonly manifest: ImageManifest };

const accepted = [
  mediaTypes.manifest,
  mediaTypes.index,
  mediaTypes.dockerManifest,
  mediaTypes.dockerList,
].join(', ');

/**
 * The manifest that a tag or digest means for this kind of machine. Throws RegistryError:
 * missing, broken (not what its digest says), answer (no manifest), refused (of a kind that is not supported).
 */
export async function fetchImage(
  client: RegistryClient,
  repository: string,
  reference: string,
  platform: Platform = thisPlatform(),
): Promise<RemoteImage> {
  const first = await fetchDocument(client, repository, reference);
  if (first.kind === 'manifest') return { ...first.document, manifest: first.manifest, indexes: [] };
  const what = `index ${first.document.descriptor.digest}`;
  const read = (entry: Descriptor) => fetchDocument(client, repository, entry.digest, entry.size);
  const indexes = [first.document];
  requireEntries(what, first.index, client.limits);
  const image = await selectImage(first.index.manifests, platform, async (entry) => {
    const found = await unlessNoImage(read(entry));
    if (found === undefined) return { kind: 'other' };
    if (found.kind === 'manifest') return { kind: 'image', image: found };
    indexes.push(found.document);
    requireEntries(what, found.index, client.limits);
    return { kind: 'index', manifests: found.index.manifests };
  });
  if (image !== undefined) return { ...image.document, manifest: image.manifest, indexes };
  throw new RegistryError('missing', {
    what,
    why: `there is nothing for ${describePlatform(platform)} in it, but ${listPlatforms(first.index.manifests)}`,
    hint: 'Choose an image that is made for this kind of machine, or another --platform.',
  });
}

function requireEntries(what: string, { manifests }: ImageIndex, limits: RegistryLimits): void {
  if (manifests.length <= limits.indexEntries) return;
  throw new RegistryError('limit', { what, why: `it has more than ${limits.indexEntries} entries` });
}

/** Undefined for what is in an index and no image: it may have one beside it. */
async function unlessNoImage(document: Promise<Parsed>): Promise<Parsed | undefined> {
  try {
    return await document;
  } catch (error) {
    if (error instanceof RegistryError && error.fault === 'refused') return undefined;
    throw error;
  }
}

/**
 * Makes a tag or digest of the repository mean these bytes. Everything in them must have been sent before. Returns what
 * the registry has understood as their subject, if anything.
 */
export async function putManifest(
  client: RegistryClient,
  repository: string,
  reference: string,
  { descriptor, bytes }: RemoteDocument,
): Promise<string | undefined> {
  const answer = await client.call({
    method: 'PUT',
    target: blobPath(repository, 'manifests', reference),
    scopes: [pushScope(repository)],
    headers: { 'content-type': descriptor.mediaType },
    body: bodyFromBytes(bytes),
    accept: [200, 201, 202],
  });
  answer.discard();
  const stored = headerDigest(answer);
  if (stored !== undefined && stored !== descriptor.digest) {
    const why = `it has stored the manifest as ${stored}, not as ${descriptor.digest}`;
    throw new RegistryError('broken', { what: answer.what, why });
  }
  const subject = answer.headers['oci-subject'];
  return typeof subject === 'string' ? subject : undefined;
}

export async function fetchDocument(
  client: RegistryClient,
  repository: string,
  reference: string,
  size?: number,
): Promise<Parsed> {
  const answer = await client.call({
    method: 'GET',
    target: blobPath(repository, 'manifests', reference),
    scopes: [pullScope(repository)],
    headers: { accept: accepted },
    accept: [200],
  });
  const bytes = await answer.bytes(client.limits.manifestBytes);
  const digest = digestOf(bytes);
  requireDigest(answer, digest, reference);
  if (size !== undefined && size !== bytes.length) {
    const why = `it has ${bytes.length} bytes, its index says ${size}`;
    throw new RegistryError('broken', { what: answer.what, why });
  }
  return parseDocument(answer, bytes, digest, client.limits);
}

/** Against the digest that was asked for, and the one that the registry claims. */
function requireDigest(answer: Answer, digest: Digest, reference: string): void {
  const asked = reference.includes(':') ? reference : undefined;
  for (const expected of [asked, headerDigest(answer)]) {
    if (expected === undefined || expected === digest) continue;
    throw new RegistryError('broken', { what: answer.what, why: `its digest is ${digest}, not ${expected}` });
  }
}

function headerDigest(answer: Answer): string | undefined {
  const value = answer.headers['docker-content-digest'];
  return typeof value === 'string' && value.startsWith('sha256:') ? value : undefined;
}

function parseDocument(answer: Answer, bytes: Buffer, digest: Digest, limits: RegistryLimits): Parsed {
  const wrong = (why: string): RegistryError => new RegistryError('answer', { what: answer.what, why });
  const value = parseJson(bytes);
  if (value === undefined) throw wrong('the answer is not JSON');
  const mediaType = mediaTypeOf(value, answer.headers['content-type']);
  const header = typeOfHeader(answer.headers['content-type']);
  // Each reader would go by another one of the two.
  const isKnown = (type: string): boolean => isIndex(type) || isManifest(type);
  if (header !== mediaType && isKnown(header) && isKnown(mediaType)) {
    throw wrong(`it says that it is ${mediaType}, and the registry that it is ${header}`);
  }
  refuseSchema1(mediaType, value, answer);
  const document = { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  // A document that can be read in two ways is a different image to different readers (CVE-2021-41190).
  const ambiguous = 'manifests' in value && ('layers' in value || 'config' in value);
  if (ambiguous) throw wrong('it is an index and a manifest at once');
  if (isIndex(mediaType)) {
    const parsed = imageIndex.safeParse(value);
    if (parsed.success) return { kind: 'index', document, index: parsed.data };
    throw wrong(`this is no valid index: ${parsed.error.issues[0]?.message ?? ''}`);
  }
  if (!isManifest(mediaType)) throw refusedImage(document, `it is of the kind ${mediaType}`);
  requireLayers(value, document.descriptor, limits);
  const parsed = imageManifest.safeParse(value);
  if (parsed.success) return { kind: 'manifest', document, manifest: parsed.data };
  throw wrong(`this is no valid manifest: ${parsed.error.issues[0]?.message ?? ''}`);
}

function parseJson(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    if (!isUtf8(bytes)) return undefined;
    const value = parseBoundedJson(bytes);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined; // of the things that can be wrong, encoding, syntax and size, none needs a name
  }
}

/** The document's own word; where it has none, the header's, and the shape where that says nothing. */
function mediaTypeOf(value: Readonly<Record<string, unknown>>, header: string | undefined): string {
  const named = value['mediaType'];
  if (typeof named === 'string' && named !== '') return named.slice(0, 200);
  const type = typeOfHeader(header);
  if (type.startsWith('application/vnd.')) return type;
  return 'manifests' in value ? mediaTypes.index : mediaTypes.manifest;
}

function typeOfHeader(header: string | undefined): string {
  return (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

function refuseSchema1(mediaType: string, value: Readonly<Record<string, unknown>>, answer: Answer): void {
  if (!mediaType.includes('distribution.manifest.v1') && value['schemaVersion'] !== 1) return;
  throw new RegistryError('refused', {
    what: answer.what,
    why: "the image has docker's schema 1, which nobody can verify",
    hint: 'Pull and push it again with a current docker or podman, which makes schema 2 of it.',
  });
}

function refusedImage({ descriptor }: RemoteDocument, why: string): RegistryError {
  return new RegistryError('refused', {
    what: `manifest ${descriptor.digest}`,
    why,
    hint: 'Only images of root filesystems can be pulled.',
  });
}

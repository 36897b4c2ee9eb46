// Reads and writes small documents by digest: manifests and configurations. Reading verifies, so no caller can forget
// to.

import { open, stat } from 'node:fs/promises';
import type * as z from 'zod';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { parseBoundedJson } from '../../lib/bounded-json.ts';
import { collect } from '../../lib/collect.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';
import { type Digest, digestOf } from '../digest.ts';
import { type Descriptor, maxDocumentBytes } from '../oci.ts';
import type { Layout } from '../store/layout.ts';

const tooLarge = `it is larger than ${maxDocumentBytes} bytes, too large for a manifest or configuration`;

/** Stores a document. Storing it again changes nothing. */
export async function putJsonBlob(
  layout: Layout,
  mediaType: string,
  value: unknown,
  hold?: (digest: Digest) => void,
): Promise<Descriptor> {
  return putDocument(layout, mediaType, Buffer.from(JSON.stringify(value)), hold);
}

/** As putJsonBlob, byte for byte. `hold` is told the digest before the blob appears, to pin it. */
export async function putDocument(
  layout: Layout,
  mediaType: string,
  bytes: Uint8Array,
  hold?: (digest: Digest) => void,
): Promise<Descriptor> {
  if (bytes.length > maxDocumentBytes) throw broken(digestOf(bytes), tooLarge);
  const digest = digestOf(bytes);
  hold?.(digest);
  await writeFileAtomic(layout.blob(digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

/** The document, checked against its digest and schema. Throws E_IMAGE_BROKEN with what is wrong, E_ARCHIVE_REFUSED. */
export async function readJsonBlob<T extends z.ZodType>(
  layout: Layout,
  digest: Digest,
  schema: T,
): Promise<z.infer<T>> {
  const bytes = await readBlob(layout, digest);
  if (digestOf(bytes) !== digest) throw broken(digest, 'its content has changed: the digest does not match');
  let value: unknown;
  try {
    value = parseBoundedJson(bytes);
  } catch (error) {
    throw broken(digest, `it is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const why = issue?.message ?? 'it does not fit its schema';
  throw issue?.code === 'too_big' ? overLimit(digest, why) : broken(digest, why);
}

async function readBlob(layout: Layout, digest: Digest): Promise<Buffer> {
  try {
    return await readDocument(layout.blob(digest), () => broken(digest, tooLarge));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) throw broken(digest, 'it is missing');
    throw error;
  }
}

/** A whole manifest or configuration, where it is not larger than one may be. */
export async function readDocument(file: string, whyTooLarge: () => Error): Promise<Buffer> {
  await using handle = await open(file, 'r');
  return await collect(handle.createReadStream({ autoClose: false }), maxDocumentBytes, whyTooLarge);
}

function broken(digest: Digest, why: string): DockershError {
  return new DockershError('E_IMAGE_BROKEN', { what: `blob ${digest}`, why });
}

function overLimit(digest: Digest, why: string): DockershError {
  const hint = 'See docs/images.md for the limits.';
  return new DockershError('E_ARCHIVE_REFUSED', { what: `blob ${digest}`, why, hint });
}

/** Bytes of a blob; undefined where it is not there. */
export async function blobSize(layout: Layout, digest: Digest): Promise<number | undefined> {
  return (await ifThere(stat(layout.blob(digest))))?.size;
}

// Small documents by digest: manifests and configurations. Reading verifies, so no caller can forget to.

import { open } from 'node:fs/promises';
import type { z } from 'zod';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../lib/errors.ts';
import { type Digest, digestOf } from './digest.ts';
import type { Layout } from './layout.ts';
import type { Descriptor } from './oci.ts';

/** Far above any real manifest; registries refuse larger ones as well. */
const maxBytes = 4 * 1024 * 1024;

/** Stores a document. Storing it again changes nothing. */
export async function putJsonBlob(layout: Layout, mediaType: string, value: unknown): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = digestOf(bytes);
  await writeFileAtomic(layout.blob(digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

/** The document, checked against its digest and schema. Throws E_IMAGE_BROKEN with what is wrong. */
export async function readJsonBlob<T extends z.ZodType>(
  layout: Layout,
  digest: Digest,
  schema: T,
): Promise<z.infer<T>> {
  const bytes = await readBlob(layout, digest);
  if (digestOf(bytes) !== digest) throw broken(digest, 'its content has changed: the digest does not match');
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw broken(digest, `it is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw broken(digest, parsed.error.issues[0]?.message ?? 'it does not fit its schema');
  return parsed.data;
}

async function readBlob(layout: Layout, digest: Digest): Promise<Buffer> {
  try {
    await using file = await open(layout.blob(digest), 'r');
    if ((await file.stat()).size > maxBytes) throw broken(digest, `it is larger than ${maxBytes} bytes`);
    return await file.readFile();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) throw broken(digest, 'it is missing');
    throw error;
  }
}

function broken(digest: Digest, why: string): DockershError {
  return new DockershError('E_IMAGE_BROKEN', { what: `blob ${digest}`, why });
}

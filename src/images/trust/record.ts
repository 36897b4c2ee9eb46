// Keeps beside each image what is known of where it comes from: its signatures, and whether it was made or imported here.
// One file an image, by its manifest's digest, that goes with the manifest.

import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { DockershError } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';
import { type Digest, digestSchema, hexOf } from '../digest.ts';
import type { Layout } from '../store/layout.ts';
import { carrierLimits } from './carrier.ts';
import { claimedDigest, type Signature, signatureSchema } from './signature.ts';

const originSchema = z.strictObject({
  local: z.boolean(),
  /** Of indexes that the manifest was taken from: a signature may be about one of them. */
  indexes: z.array(digestSchema),
  signatures: z.array(signatureSchema),
});
export type Origin = z.infer<typeof originSchema>;

export const unknownOrigin: Origin = { local: false, indexes: [], signatures: [] };

/** Of what was made here, or imported. */
export const localOrigin: Origin = { ...unknownOrigin, local: true };

const mostIndexes = 32;

export async function readOrigin(layout: Layout, digest: Digest): Promise<Origin> {
  const file = fileOf(layout, digest);
  const text = await ifThere(readFile(file, 'utf8'));
  if (text === undefined) return unknownOrigin;
  try {
    return originSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new DockershError('E_IMAGE_BROKEN', { what: file, why: 'it is damaged', cause: error });
  }
}

/** Both, without what is about other images. */
export function joinOrigins(digest: Digest, news: Origin, known: Origin): Origin {
  const indexes = [...new Set([...news.indexes, ...known.indexes])].slice(0, mostIndexes);
  const about = new Set<Digest | undefined>([digest, ...indexes]);
  const all = [...news.signatures, ...known.signatures].filter((one) => about.has(claimedDigest(one)));
  const signatures = [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
  const kept: readonly Signature[] = signatures.slice(0, carrierLimits.layers);
  return { local: news.local || known.local, indexes, signatures: [...kept] };
}

/** Callers take turns. */
export async function noteOrigin(layout: Layout, digest: Digest, news: Origin): Promise<void> {
  const known = await readOrigin(layout, digest);
  const joined = JSON.stringify(joinOrigins(digest, news, known));
  if (joined !== JSON.stringify(known)) await writeFileAtomic(fileOf(layout, digest), `${joined}\n`);
}

/** Takes away those of images that `isKept` does not know. */
export async function sweepOrigins(layout: Layout, isKept: (digest: Digest) => boolean): Promise<void> {
  for (const name of await readdir(layout.origins)) {
    const digest = digestSchema.safeParse(`sha256:${path.basename(name, '.json')}`);
    if (digest.success && !isKept(digest.data)) await rm(path.join(layout.origins, name), { force: true });
  }
}

function fileOf(layout: Layout, digest: Digest): string {
  return path.join(layout.origins, `${hexOf(digest)}.json`);
}

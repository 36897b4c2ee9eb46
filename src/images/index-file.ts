// index.json: which names there are and which manifest each one means. Everything that no name leads to,
// directly or through a manifest, is garbage.

import { type BigIntStats, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { DockershError } from '../lib/errors.ts';
import { blobSize } from './blobs.ts';
import type { Layout } from './layout.ts';
import {
  type Descriptor,
  type ImageIndex,
  imageIndex,
  imageManifest,
  maxDocumentBytes,
  mediaTypes,
  refNameAnnotation,
} from './oci.ts';
import type { Reference } from './reference.ts';

export async function readIndex(layout: Layout): Promise<ImageIndex> {
  const text = await readFile(layout.index, 'utf8');
  try {
    return imageIndex.parse(JSON.parse(text));
  } catch (error) {
    throw new DockershError('E_IMAGE_BROKEN', {
      what: layout.index,
      why: 'it is no OCI image index',
      hint: 'Restore the file, or move the store away and import the images again.',
      cause: error,
    });
  }
}

/** Replaces the index as a whole: a crash leaves the old one or the new one. */
export async function writeIndex(layout: Layout, index: ImageIndex): Promise<void> {
  await writeFileAtomic(layout.index, `${JSON.stringify(index, null, 2)}\n`);
}

/** Changes whenever the index does. Costs one stat: cheap enough for every login. */
export function indexKey(layout: Layout): string {
  const { mtimeNs, ino, size }: BigIntStats = statSync(layout.index, { bigint: true });
  return `${ino}.${mtimeNs}.${size}`;
}

export function refNameOf(manifest: Descriptor): string | undefined {
  return manifest.annotations?.[refNameAnnotation];
}

/** The index with `name` meaning `manifest`, and nothing else. */
export function withTag(index: ImageIndex, name: string, manifest: Descriptor): ImageIndex {
  const others = withoutTag(index, name).manifests;
  const tagged = { ...manifest, annotations: { ...manifest.annotations, [refNameAnnotation]: name } };
  return { ...index, manifests: [...others, tagged] };
}

export function withoutTag(index: ImageIndex, name: string): ImageIndex {
  return { ...index, manifests: index.manifests.filter((manifest) => refNameOf(manifest) !== name) };
}

/**
 * The manifest that a reference means. By digest also one that has lost its names, as long as something keeps
 * it in the store.
 */
export async function manifestOf(
  layout: Layout,
  index: ImageIndex,
  reference: Reference,
): Promise<Descriptor | undefined> {
  if (reference.kind === 'host') return undefined;
  if (reference.kind === 'tag') {
    return index.manifests.find((manifest) => refNameOf(manifest) === reference.key);
  }
  const named = index.manifests.find((manifest) => manifest.digest === reference.digest);
  if (named !== undefined) return named;
  const size = await blobSize(layout, reference.digest);
  if (size === undefined || size > maxDocumentBytes) return undefined;
  const bytes = await readFile(layout.blob(reference.digest));
  const parsed = imageManifest.safeParse(jsonOf(bytes));
  if (!parsed.success) return undefined;
  return { mediaType: parsed.data.mediaType ?? mediaTypes.manifest, digest: reference.digest, size };
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined; // a layer or something else that is no document
  }
}

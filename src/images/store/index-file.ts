// Reads and writes index.json: the names, and the manifest that each one means. Everything that no name leads to,
// directly or through a manifest, is garbage.

import { type BigIntStats, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { DockershError } from '../../lib/errors.ts';
import { dockerHub, isSameImage } from '../../lib/text/image-name.ts';
import { type Digest, digestSchema } from '../digest.ts';
import { type Descriptor, type ImageIndex, imageIndex, refNameAnnotation } from '../oci.ts';
import type { Layout } from './layout.ts';

/** In index.json: what registries call an image that is one of several in an index. */
const indexDigestsAnnotation = 'dockersh.index.digests';
const mostIndexDigests = 32;

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

/** As much of a manifest's entry as goes along to another name of it. */
export function withoutName({ mediaType, digest, size, annotations }: Descriptor): Descriptor {
  const indexes = annotations?.[indexDigestsAnnotation];
  const kept = indexes === undefined ? {} : { annotations: { [indexDigestsAnnotation]: indexes } };
  return { mediaType, digest, size, ...kept };
}

/** Digests of the indexes by which registries have led to this manifest, newest first. */
export function indexDigestsOf(manifest: Descriptor): Digest[] {
  const text = manifest.annotations?.[indexDigestsAnnotation] ?? '';
  return text.split(' ').filter((one): one is Digest => digestSchema.safeParse(one).success);
}

/** One index more leads to it. Old ones go on counting: policy may name them, as long as the image is here. */
export function withIndexDigests(manifest: Descriptor, digests: readonly Digest[]): Descriptor {
  const all = [...new Set([...digests, ...indexDigestsOf(manifest)])].slice(0, mostIndexDigests);
  if (all.length === 0) return manifest;
  return { ...manifest, annotations: { ...manifest.annotations, [indexDigestsAnnotation]: all.join(' ') } };
}

/** The entry of a name, or of another spelling of it. */
export function findNamed(index: ImageIndex, name: string, defaultRegistry: string): Descriptor | undefined {
  const same = (other: string | undefined): boolean =>
    other !== undefined && isSameImage(other, name, defaultRegistry);
  return (
    index.manifests.find((one) => refNameOf(one) === name) ??
    index.manifests.find((one) => same(refNameOf(one)))
  );
}

/** The index with `name`, and every other spelling of it, meaning `manifest` and nothing else. */
export function withTag(
  index: ImageIndex,
  name: string,
  manifest: Descriptor,
  defaultRegistry: string = dockerHub,
): ImageIndex {
  const others = index.manifests.filter((one) => !isSameImage(refNameOf(one) ?? '', name, defaultRegistry));
  const last = findNamed(index, name, defaultRegistry);
  const before = last?.digest === manifest.digest ? last : undefined;
  const known = [...indexDigestsOf(manifest), ...(before === undefined ? [] : indexDigestsOf(before))];
  const named = { ...manifest, annotations: { ...manifest.annotations, [refNameAnnotation]: name } };
  return { ...index, manifests: [...others, withIndexDigests(named, known)] };
}

export function withoutTag(index: ImageIndex, name: string): ImageIndex {
  return { ...index, manifests: index.manifests.filter((manifest) => refNameOf(manifest) !== name) };
}

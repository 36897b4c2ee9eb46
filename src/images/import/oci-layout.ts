// Imports images from an OCI image layout, in a folder or in a tar (OCI image specification, image-layout.md).

import { z } from 'zod';
import { inParallel } from '../../lib/async/parallel.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Transaction } from '../content.ts';
import { hexOf } from '../digest.ts';
import {
  type Descriptor,
  descriptor,
  imageConfig,
  imageIndex,
  imageManifest,
  isIndex,
  isManifest,
  refNameAnnotation,
} from '../oci.ts';
import { choosePlatform, describePlatform, listPlatforms, thisPlatform } from '../platform.ts';
import { type Bundle, brokenBundle, readMember, readMemberJson } from './bundle.ts';
import { byteCounter } from './byte-counter.ts';
import { chooseImage, type NamedImage } from './names.ts';
import { type ImportOptions, reportEvery } from './options.ts';

/** While one is written to the disk, another is decompressed. */
const layersAtOnce = 2;
/** Indexes within indexes. */
const mostNested = 4;
const layoutFile = z.looseObject({ imageLayoutVersion: z.string() });
/** Where docker and containerd put the whole name; the specification's annotation has often the tag alone. */
const wholeNameAnnotation = 'io.containerd.image.name';

/** Returns the manifests, each with the names that it is to get. */
export async function importOci(
  transaction: Transaction,
  bundle: Bundle,
  name: string | undefined,
  options: ImportOptions,
): Promise<NamedImage<Descriptor>[]> {
  const version = layoutFile.safeParse(await readMemberJson(bundle, 'oci-layout'));
  if (!version.success || !version.data.imageLayoutVersion.startsWith('1.')) {
    throw brokenBundle(bundle, 'its oci-layout is not of version 1');
  }
  const index = imageIndex.safeParse(await readMemberJson(bundle, 'index.json'));
  if (!index.success) throw brokenBundle(bundle, 'its index.json is no OCI image index', index.error);
  const named = index.data.manifests.map((manifest) => ({ image: manifest, names: namesOf(manifest) }));
  const chosen = chooseImage(bundle.path, named, name);
  const images: NamedImage<Descriptor>[] = [];
  for (const { image, names } of chosen) {
    images.push({ image: await importManifest(transaction, bundle, image, options, 0), names });
  }
  return images;
}

function namesOf({ annotations }: Descriptor): string[] {
  const names = [annotations?.[wholeNameAnnotation], annotations?.[refNameAnnotation]];
  return names.filter((name) => name !== undefined);
}

function memberName(blob: Descriptor): string {
  return `blobs/sha256/${hexOf(blob.digest)}`;
}

async function importManifest(
  transaction: Transaction,
  bundle: Bundle,
  listed: Descriptor,
  options: ImportOptions,
  depth: number,
): Promise<Descriptor> {
  // What the index says beside these three (its name, a platform) is the index's, not the image's.
  const document = descriptor.parse({
    mediaType: listed.mediaType,
    digest: listed.digest,
    size: listed.size,
  });
  await addDocument(transaction, bundle, document);
  if (isIndex(document.mediaType)) {
    if (depth === mostNested) throw brokenBundle(bundle, 'its indexes are nested too deeply');
    const { manifests } = await transaction.readJson(document, imageIndex);
    const fitting = choosePlatform(manifests) ?? (manifests.length === 1 ? manifests[0] : undefined);
    if (fitting === undefined) throw noPlatform(bundle, manifests);
    return importManifest(transaction, bundle, fitting, options, depth + 1);
  }
  if (!isManifest(document.mediaType)) {
    throw brokenBundle(bundle, `${document.digest} is no image but ${JSON.stringify(document.mediaType)}`);
  }
  await importLayers(transaction, bundle, document, options);
  return document;
}

async function importLayers(
  transaction: Transaction,
  bundle: Bundle,
  document: Descriptor,
  options: ImportOptions,
): Promise<void> {
  const manifest = await transaction.readJson(document, imageManifest);
  await addDocument(transaction, bundle, manifest.config);
  const config = await transaction.readJson(manifest.config, imageConfig);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw brokenBundle(
      bundle,
      `${manifest.layers.length} layers in the manifest, ${diffIds.length} in the configuration`,
    );
  }
  const counter = byteCounter(manifest.layers);
  using _reports = reportEvery(options, counter.progress);
  const { onProgress } = counter;
  const pairs = manifest.layers.flatMap((layer, index) => {
    const diffId = diffIds[index];
    return diffId === undefined ? [] : [{ layer, diffId }];
  });
  await inParallel(pairs, layersAtOnce, options.signal, async ({ layer, diffId }, signal) => {
    const open = (offset: number) => openMember(bundle, layer, offset);
    await transaction.addLayer(layer, diffId, open, { onProgress, signal });
    counter.done(layer);
  });
}

async function addDocument(transaction: Transaction, bundle: Bundle, blob: Descriptor): Promise<void> {
  if (await transaction.hasBlob(blob.digest)) return;
  const bytes = await readMember(bundle, memberName(blob));
  const stored = await transaction.putBlob(bytes, blob.mediaType);
  if (stored.digest === blob.digest && stored.size === blob.size) return;
  throw brokenBundle(bundle, `${memberName(blob)} has the digest ${stored.digest} and ${stored.size} bytes`);
}

async function openMember(bundle: Bundle, blob: Descriptor, offset: number): Promise<AsyncIterable<Buffer>> {
  const member = await bundle.member(memberName(blob));
  if (member === undefined) throw brokenBundle(bundle, `it has no file ${memberName(blob)}`);
  if (member.size !== blob.size) {
    throw brokenBundle(bundle, `${memberName(blob)} has ${member.size} bytes instead of ${blob.size}`);
  }
  return member.open(offset);
}

function noPlatform(bundle: Bundle, manifests: readonly Descriptor[]): DockershError {
  const wanted = describePlatform(thisPlatform());
  return new DockershError('E_IMAGE_BROKEN', {
    what: bundle.path,
    why: `there is nothing for ${wanted} in it, but ${listPlatforms(manifests)}`,
    hint: 'Get the image for the architecture of this host.',
  });
}

// Imports images from an OCI image layout, in a folder or in a tar (OCI image specification, image-layout.md).

import path from 'node:path';
import * as z from 'zod';
import { inParallel } from '../../lib/async/parallel.ts';
import { DockershError } from '../../lib/errors.ts';
import { isMarkedArtifact, whyNoImage } from '../artifact.ts';
import type { Transaction } from '../content.ts';
import { hexOf } from '../digest.ts';
import {
  type Descriptor,
  type ImageManifest,
  imageConfig,
  imageIndex,
  imageManifest,
  isIndex,
  isManifest,
  maxDocumentBytes,
  refNameAnnotation,
} from '../oci.ts';
import { describePlatform, listPlatforms, thisPlatform } from '../platform.ts';
import { type Selectable, selectImage } from '../select.ts';
import { type Bundle, brokenBundle, noImage, readMember, readMemberJson } from './bundle.ts';
import { byteCounter } from './byte-counter.ts';
import { savedImages } from './docker-archive.ts';
import { chooseImage, type NamedImage } from './names.ts';
import { type ImportOptions, reportEvery } from './options.ts';

/** While one is written to the disk, another is decompressed. */
const layersAtOnce = 2;
/** Of what a layout lists: no real one has as many. */
const mostListed = 1000;
const layoutFile = z.looseObject({ imageLayoutVersion: z.string() });
/** Where docker and containerd put the whole name; the specification's annotation has often the tag alone. */
const wholeNameAnnotation = 'io.containerd.image.name';

/** Returns the manifests, each with the names that it is to get. Passes over what is no image. */
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
  const listed = index.data.manifests.slice(0, mostListed);
  const tags = await savedTags(bundle);
  const named: NamedImage<Descriptor>[] = [];
  const reasons: string[] = [];
  for (const entry of listed) {
    const look = await lookAt(bundle, entry);
    if (look.why !== undefined) reasons.push(look.why);
    else named.push({ image: entry, names: [...namesOf(entry), ...(tags.get(look.config ?? '') ?? [])] });
  }
  const [reason] = reasons;
  if (named.length === 0 && reason !== undefined) throw noImage(bundle, reason);
  const chosen = chooseImage(bundle.path, byDigest(named), name);
  const images: NamedImage<Descriptor>[] = [];
  for (const { image, names } of chosen) {
    const listed = image.digest;
    images.push({ image: await importManifest(transaction, bundle, image, options), names, listed });
  }
  return images;
}

/** Each image once, with all the names that it is listed under. */
function byDigest(images: readonly NamedImage<Descriptor>[]): NamedImage<Descriptor>[] {
  const groups = Map.groupBy(images, ({ image }) => image.digest);
  return [...groups.values()].flatMap((same) => {
    const [first] = same;
    return first === undefined
      ? []
      : [{ image: first.image, names: [...new Set(same.flatMap(({ names }) => names))] }];
  });
}

interface Look {
  /** It is no image, because. */
  readonly why?: string | undefined;
  /** The digits of its configuration's digest. */
  readonly config?: string;
}

/** What an entry is by its manifest, where it has one; it is read for good later. */
async function lookAt(bundle: Bundle, entry: Descriptor): Promise<Look> {
  const { mediaType, size } = entry;
  if (isIndex(mediaType)) return {};
  if (!isManifest(mediaType)) return { why: `${entry.digest} is no image but ${JSON.stringify(mediaType)}` };
  const member = size > maxDocumentBytes ? undefined : await bundle.member(memberName(entry));
  if (member === undefined) return isMarkedArtifact(entry) ? { why: 'it holds no image' } : {};
  const manifest = imageManifest.safeParse(await readMemberJson(bundle, memberName(entry)));
  if (!manifest.success) return {};
  return { why: whyNoImage(manifest.data), config: hexOf(manifest.data.config.digest) };
}

/** Names that an archive has in docker's manifest.json beside the layout, by the image's configuration. */
async function savedTags(bundle: Bundle): Promise<ReadonlyMap<string, readonly string[]>> {
  if ((await bundle.member('manifest.json')) === undefined) return new Map();
  const saved = savedImages.safeParse(await readMemberJson(bundle, 'manifest.json'));
  const images = saved.data ?? [];
  return new Map(
    images.map(({ Config, RepoTags }) => [path.posix.basename(Config, '.json'), RepoTags ?? []]),
  );
}

function namesOf({ annotations }: Descriptor): string[] {
  const names = [annotations?.[wholeNameAnnotation], annotations?.[refNameAnnotation]];
  return names.filter((name) => name !== undefined);
}

function memberName(blob: Descriptor): string {
  return `blobs/sha256/${hexOf(blob.digest)}`;
}

/** The image of a manifest or an index of the bundle. */
export async function importManifest(
  transaction: Transaction,
  bundle: Bundle,
  listed: Descriptor,
  options: ImportOptions,
): Promise<Descriptor> {
  const load = (entry: Descriptor) => loadDocument(transaction, bundle, entry);
  const first = await load(listed);
  if (first.kind === 'image') return importLayers(transaction, bundle, first.image, options);
  const manifests = first.kind === 'index' ? first.manifests : [];
  const found = await selectImage(manifests, thisPlatform(), load);
  const [only] = manifests;
  // One for another machine is taken where there is no choice, to be passed on.
  const taken =
    found ?? (only !== undefined && manifests.length === 1 ? await imageOf(load(only)) : undefined);
  if (taken === undefined) throw noPlatform(bundle, manifests);
  return importLayers(transaction, bundle, taken, options);
}

async function imageOf(document: Promise<Selectable<Found>>): Promise<Found | undefined> {
  const found = await document;
  return found.kind === 'image' ? found.image : undefined;
}

interface Found {
  readonly document: Descriptor;
  readonly manifest: ImageManifest;
}

/** Throws E_IMAGE_BROKEN where it is neither an index nor a manifest. */
async function loadDocument(
  transaction: Transaction,
  bundle: Bundle,
  { mediaType, digest, size }: Descriptor,
): Promise<Selectable<Found>> {
  // What the index says beside these three (its name, a platform) is the index's, not the image's.
  const document: Descriptor = { mediaType, digest, size };
  await addDocument(transaction, bundle, document);
  if (isIndex(mediaType)) {
    const { manifests } = await transaction.readJson(document, imageIndex);
    return { kind: 'index', manifests };
  }
  if (!isManifest(mediaType)) {
    throw noImage(bundle, `${digest} is no image but ${JSON.stringify(mediaType)}`);
  }
  const manifest = await transaction.readJson(document, imageManifest);
  if (whyNoImage(manifest) !== undefined) return { kind: 'other' };
  return { kind: 'image', image: { document, manifest } };
}

async function importLayers(
  transaction: Transaction,
  bundle: Bundle,
  { document, manifest }: Found,
  options: ImportOptions,
): Promise<Descriptor> {
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
  return document;
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

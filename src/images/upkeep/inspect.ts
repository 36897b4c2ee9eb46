// Describes one image for people: its parts, and the steps by which it was made.

import { DockershError } from '../../lib/errors.ts';
import { readJsonBlob } from '../blobs/blobs.ts';
import type { Digest } from '../digest.ts';
import { type LayerInfo, readLayerInfo } from '../layers/layers.ts';
import { type Descriptor, type ImageConfig, type ImageManifest, imageConfig, imageManifest } from '../oci.ts';
import { parseReference } from '../reference.ts';
import type { StoreContext } from '../store/context.ts';
import { manifestOf } from '../store/find-manifest.ts';
import { indexDigestsOf, readIndex, refNameOf } from '../store/index-file.ts';

export interface InspectedLayer {
  readonly diffId: string;
  /** Of the blob; the diffID where the layer was made here and has none. */
  readonly digest: string;
  readonly mediaType: string;
  /** Uncompressed. */
  readonly sizeBytes: number;
  /** As in the blob. */
  readonly blobBytes: number;
  readonly files: number;
}

export interface InspectedImage {
  /** All names of this image. */
  readonly names: readonly string[];
  readonly digest: string;
  /** Of the indexes that it was pulled by, newest first. */
  readonly indexDigests: readonly string[];
  /** The same for the same image, however its layers are compressed: docker's "image id". */
  readonly configDigest: string;
  readonly mediaType: string;
  readonly createdAt: string | null;
  readonly author: string | null;
  /** Empty: the image does not say. */
  readonly architecture: string;
  /** "v7", "v3". */
  readonly variant: string | null;
  readonly os: string;
  readonly sizeBytes: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Lowest first. */
  readonly layers: readonly InspectedLayer[];
}

export interface HistoryEntry {
  /** Of the layer that this step made; null for a step of the configuration alone. */
  readonly diffId: string | null;
  readonly createdAt: string | null;
  readonly createdBy: string;
  readonly author: string;
  readonly comment: string;
  /** Of the layer, uncompressed; 0 without one. */
  readonly sizeBytes: number;
}

interface Opened {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  /** Lowest first. */
  readonly layers: readonly LayerInfo[];
  readonly names: readonly string[];
  readonly indexDigests: readonly Digest[];
}

/** Throws E_NOT_FOUND. */
export async function findImage(context: StoreContext, name: string): Promise<Descriptor> {
  const reference = parseReference(name);
  const index = await readIndex(context.layout);
  const found = reference && (await manifestOf(context.layout, index, reference));
  if (found !== undefined) return found;
  throw new DockershError('E_NOT_FOUND', {
    what: `image '${name}'`,
    why: 'there is none of this name',
    hint: 'See "dockershctl image ls".',
  });
}

async function openImage(context: StoreContext, name: string): Promise<Opened> {
  const { layout } = context;
  const descriptor = await findImage(context, name);
  const manifest = await readJsonBlob(layout, descriptor.digest, imageManifest);
  const config = await readJsonBlob(layout, manifest.config.digest, imageConfig);
  const layers = await Promise.all(config.rootfs.diff_ids.map((diffId) => readLayerInfo(layout, diffId)));
  const { manifests } = await readIndex(layout);
  const entries = manifests.filter(({ digest }) => digest === descriptor.digest);
  const names = entries.map(refNameOf).filter((found) => found !== undefined);
  const indexDigests = [...new Set(entries.flatMap(indexDigestsOf))];
  return { descriptor, manifest, config, layers, names, indexDigests };
}

/** Throws E_NOT_FOUND, E_IMAGE_BROKEN. */
export async function inspectImage(context: StoreContext, name: string): Promise<InspectedImage> {
  const { descriptor, manifest, config, layers, names, indexDigests } = await openImage(context, name);
  return {
    names,
    digest: descriptor.digest,
    indexDigests,
    configDigest: manifest.config.digest,
    mediaType: descriptor.mediaType,
    createdAt: config.created ?? null,
    author: config.author ?? null,
    architecture: config.architecture,
    variant: config.variant ?? null,
    os: config.os,
    sizeBytes: layers.reduce((sum, { size }) => sum + size, 0),
    config: config.config ?? {},
    annotations: manifest.annotations ?? {},
    layers: layers.map((info, index) => inspectLayer(info, manifest.layers[index])),
  };
}

function inspectLayer(info: LayerInfo, blob: Descriptor | undefined): InspectedLayer {
  return {
    diffId: info.diffId,
    digest: blob?.digest ?? info.diffId,
    mediaType: blob?.mediaType ?? '',
    sizeBytes: info.size,
    blobBytes: blob?.size ?? info.size,
    files: info.entries,
  };
}

/** Latest step first. Layers that the history says nothing of come without words. */
export async function imageHistory(context: StoreContext, name: string): Promise<HistoryEntry[]> {
  const { config, layers } = await openImage(context, name);
  const entries: HistoryEntry[] = [];
  const left = [...layers];
  for (const step of config.history ?? []) {
    const layer = step.empty_layer === true ? undefined : left.shift();
    entries.push({
      diffId: layer?.diffId ?? null,
      createdAt: step.created ?? null,
      createdBy: step.created_by ?? '',
      author: step.author ?? '',
      comment: step.comment ?? '',
      sizeBytes: layer?.size ?? 0,
    });
  }
  for (const { diffId, size } of left) {
    entries.push({ diffId, createdAt: null, createdBy: '', author: '', comment: '', sizeBytes: size });
  }
  return entries.reverse();
}

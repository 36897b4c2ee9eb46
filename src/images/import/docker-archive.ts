// Imports archives of `docker save`: manifest.json, configurations, and layers as plain tars.

import * as z from 'zod';
import type { Transaction } from '../content.ts';
import type { Digest } from '../digest.ts';
import { hasLayer } from '../layers/add.ts';
import { findLayerInfo } from '../layers/layers.ts';
import { type Descriptor, type ImageManifest, imageConfig, mediaTypes } from '../oci.ts';
import type { StoreContext } from '../store/context.ts';
import type { PinSet } from '../store/pins.ts';
import { type Bundle, brokenBundle, readMember, readMemberJson } from './bundle.ts';
import { addForeignLayer, type ForeignLayer } from './foreign-layer.ts';
import { chooseImage, type NamedImage } from './names.ts';
import { type ImportOptions, reportEvery } from './options.ts';

const savedImage = z.looseObject({
  Config: z.string(),
  RepoTags: z.array(z.string()).nullish(),
  Layers: z
    .array(z.string())
    .nullish()
    .transform((layers) => layers ?? []),
});
type SavedImage = z.infer<typeof savedImage>;
export const savedImages = z.array(savedImage).max(1000);

export interface Parts {
  readonly context: StoreContext;
  readonly pins: PinSet;
  readonly transaction: Transaction;
  readonly bundle: Bundle;
}

/** Returns the manifests, each with the names that it is to get. */
export async function importDocker(
  parts: Parts,
  name: string | undefined,
  options: ImportOptions,
): Promise<NamedImage<Descriptor>[]> {
  const { bundle } = parts;
  const list = savedImages.safeParse(await readMemberJson(bundle, 'manifest.json'));
  if (!list.success)
    throw brokenBundle(bundle, 'its manifest.json is not what docker save writes', list.error);
  const named = list.data.map((image) => ({ image, names: image.RepoTags ?? [] }));
  const images: NamedImage<Descriptor>[] = [];
  for (const { image, names } of chooseImage(bundle.path, named, name)) {
    images.push({ image: await importImage(parts, image, options), names });
  }
  return images;
}

async function importImage(parts: Parts, saved: SavedImage, options: ImportOptions): Promise<Descriptor> {
  const { bundle, transaction } = parts;
  const text = await readMember(bundle, saved.Config);
  const stored = await transaction.putBlob(text, mediaTypes.config);
  const config = await transaction.readJson(stored, imageConfig);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== saved.Layers.length) {
    throw brokenBundle(bundle, `${saved.Layers.length} layers, but ${diffIds.length} in the configuration`);
  }
  const layers: Descriptor[] = [];
  for (const [index, diffId] of diffIds.entries()) {
    layers.push(await importLayer(parts, saved.Layers[index] ?? '', diffId, options));
  }
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: stored,
    layers,
  };
  return transaction.putBlob(Buffer.from(JSON.stringify(manifest)), mediaTypes.manifest);
}

async function importLayer(
  parts: Parts,
  name: string,
  diffId: Digest,
  options: ImportOptions,
): Promise<Descriptor> {
  const known = await knownBlob(parts, diffId);
  return known ?? (await importForeign(parts, name, diffId, options)).blob;
}

/** A layer that is a member of the archive. `diffId`: as the image's configuration has it, where it has one. */
export async function importForeign(
  { bundle, context, pins }: Parts,
  name: string,
  diffId: Digest | undefined,
  options: ImportOptions,
): Promise<ForeignLayer> {
  const member = await bundle.member(name);
  if (member === undefined) throw brokenBundle(bundle, `it has no file ${JSON.stringify(name)}`);
  let bytes = 0;
  using _reports = reportEvery(options, () => ({ step: 'unpacking', bytes, totalBytes: member.size }));
  const archive = counted(await member.open(0), (length) => {
    bytes += length;
  });
  const label = `${bundle.path}, layer ${name}`;
  return await addForeignLayer(context, pins, archive, { signal: options.signal, label, diffId });
}

async function* counted(
  stream: AsyncIterable<Uint8Array>,
  count: (length: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of stream) {
    count(chunk.length);
    yield chunk;
  }
}

/** A blob that holds the layer already, so that nothing need be read. */
async function knownBlob({ context, pins }: Parts, diffId: Digest): Promise<Descriptor | undefined> {
  pins.layer(diffId);
  const info = await findLayerInfo(context.layout, diffId);
  if (info === undefined) return undefined;
  if (info.packed) return { mediaType: mediaTypes.layerTar, digest: diffId, size: info.size };
  for (const { mediaType, digest, size } of info.blobs) {
    pins.blob(digest);
    if (await hasLayer(context.layout, digest, diffId)) return { mediaType, digest, size };
  }
  return undefined;
}

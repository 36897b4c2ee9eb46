// Makes an image of one layer from a root filesystem, given as a folder or a tar.

import { createReadStream } from 'node:fs';
import { putJsonBlob } from '../blobs/blobs.ts';
import { packedArchive, requireOrdinaryFolder } from '../layers/archive.ts';
import { noteLayer, unpackLayer } from '../layers/layers.ts';
import {
  type Descriptor,
  type ImageConfig,
  type ImageManifest,
  mediaTypes,
  ociArchitecture,
} from '../oci.ts';
import type { StoreContext } from '../store/context.ts';
import type { PinSet } from '../store/pins.ts';
import { addForeignLayer, type ForeignLayer } from './foreign-layer.ts';
import { type ImportOptions, reportEvery } from './options.ts';

/**
 * A folder is packed; the layer has no blob of its own, because packing it again gives the same archive. Where it would
 * not, for times that the store's file system can't hold, it is packed once more, and that is kept.
 */
export async function importFolder(
  context: StoreContext,
  pins: PinSet,
  folder: string,
  options: ImportOptions,
): Promise<ForeignLayer> {
  const { layout, program } = context;
  await requireOrdinaryFolder(folder);
  const source = packedArchive(program, folder, { signal: options.signal });
  using _reports = reportEvery(options, () => ({ step: 'unpacking', bytes: source.readBytes() }));
  const unpack = { signal: options.signal, label: `import ${folder}`, packed: true };
  await using layer = await unpackLayer(layout, program, source, unpack);
  if (!layer.timesKept) return await keepFolder(context, pins, folder, options);
  const { diffId, size } = layer.info;
  pins.layer(diffId);
  await layer.install();
  await context.notes.take(() => noteLayer(layout, diffId, { packed: true }));
  return { info: layer.info, blob: { mediaType: mediaTypes.layerTar, digest: diffId, size } };
}

async function keepFolder(
  context: StoreContext,
  pins: PinSet,
  folder: string,
  { signal }: ImportOptions,
): Promise<ForeignLayer> {
  const { stages, complete } = packedArchive(context.program, folder, { signal });
  return await addForeignLayer(context, pins, stages[0], { signal, label: `import ${folder}` }, complete);
}

/** A tar file, plain or compressed. */
export async function importTar(
  context: StoreContext,
  pins: PinSet,
  file: string,
  totalBytes: number,
  options: ImportOptions,
): Promise<ForeignLayer> {
  const stream = createReadStream(file, { highWaterMark: 256 * 1024 });
  using _reports = reportEvery(options, () => ({ step: 'unpacking', bytes: stream.bytesRead, totalBytes }));
  return await addForeignLayer(context, pins, stream, { signal: options.signal, label: `import ${file}` });
}

/** The documents of an image of one layer. It exists only when a tag names the result. */
export async function describeRootfs(
  { layout }: StoreContext,
  pins: PinSet,
  layer: ForeignLayer,
): Promise<Descriptor> {
  const hold = pins.blob.bind(pins);
  const config = await putJsonBlob(layout, mediaTypes.config, configOf(layer), hold);
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers: [layer.blob],
  };
  return putJsonBlob(layout, mediaTypes.manifest, manifest, hold);
}

function configOf({ info }: ForeignLayer): ImageConfig {
  const created = new Date().toISOString();
  return {
    created,
    architecture: ociArchitecture(process.arch),
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [info.diffId] },
    history: [{ created, created_by: 'dockershctl image import' }],
  };
}

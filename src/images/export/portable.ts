// Gives every layer of an image a blob of its own, so that it can leave this host.

import { pipeline } from 'node:stream/promises';
import { blobSize, putJsonBlob, readJsonBlob } from '../blobs/blobs.ts';
import { compressor, layerMediaTypes } from '../blobs/compression.ts';
import { BlobRecorder } from '../blobs/recorder.ts';
import type { AddOptions, BlobProgress, LayerCompression } from '../content.ts';
import { type LayerInfo, noteLayer, readLayerInfo } from '../layers/layers.ts';
import { openLayerTar } from '../layers/tar.ts';
import { type Descriptor, imageConfig, imageManifest, mediaTypes } from '../oci.ts';
import type { StoreContext } from '../store/context.ts';
import type { PinSet } from '../store/pins.ts';

export async function withBlobs(
  context: StoreContext,
  pins: PinSet,
  manifest: Descriptor,
  compression: LayerCompression | 'keep',
  options: AddOptions,
): Promise<Descriptor> {
  const { layout } = context;
  const image = await readJsonBlob(layout, manifest.digest, imageManifest);
  const { rootfs } = await readJsonBlob(layout, image.config.digest, imageConfig);
  const layers: Descriptor[] = [];
  for (const [index, layer] of image.layers.entries()) {
    const diffId = rootfs.diff_ids[index];
    const stored = (await blobSize(layout, layer.digest)) !== undefined;
    const fits = compression === 'keep' || layerMediaTypes[compression] === layer.mediaType;
    if (diffId === undefined || (stored && fits)) layers.push(layer);
    else {
      const info = await readLayerInfo(layout, diffId);
      layers.push(
        await layerBlob(context, pins, info, compression === 'keep' ? 'gzip' : compression, options),
      );
    }
  }
  if (layers.every((layer, index) => layer.digest === image.layers[index]?.digest)) return manifest;
  const made = { ...image, mediaType: mediaTypes.manifest, layers };
  const config = { ...image.config, mediaType: mediaTypes.config };
  return putJsonBlob(layout, mediaTypes.manifest, { ...made, config }, (digest) => pins.blob(digest));
}

async function layerBlob(
  context: StoreContext,
  pins: PinSet,
  info: LayerInfo,
  compression: LayerCompression,
  options: AddOptions,
): Promise<Descriptor> {
  const mediaType = layerMediaTypes[compression];
  if (compression === 'none' && info.packed) return { mediaType, digest: info.diffId, size: info.size };
  const find = async (): Promise<Descriptor | undefined> => {
    const { blobs } = await readLayerInfo(context.layout, info.diffId);
    const fitting = blobs.filter((blob) => blob.mediaType === mediaType);
    for (const { digest, size } of fitting) {
      pins.blob(digest);
      if ((await blobSize(context.layout, digest)) !== undefined) return { mediaType, digest, size };
    }
    return undefined;
  };
  const isDone = async (): Promise<boolean> => (await find()) !== undefined;
  await context.flights.share(`${compression} of ${info.diffId}`, options, isDone, (report) =>
    compress(context, pins, info, compression, { signal: options.signal, report }),
  );
  return (await find()) ?? layerBlob(context, pins, info, compression, options);
}

async function compress(
  context: StoreContext,
  pins: PinSet,
  info: LayerInfo,
  compression: LayerCompression,
  options: { readonly signal: AbortSignal | undefined; readonly report: (progress: BlobProgress) => void },
): Promise<void> {
  await using recorder = await BlobRecorder.open(context.layout);
  const tar = await openLayerTar(context.layout, context.program, info, options.signal);
  const squeeze = compressor(compression);
  let bytes = 0;
  tar.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    options.report({ digest: info.diffId, bytes, totalBytes: info.size });
  });
  const middle = squeeze === undefined ? [] : [squeeze];
  await pipeline(
    [tar, ...middle, recorder.sink],
    options.signal === undefined ? {} : { signal: options.signal },
  );
  const mediaType = layerMediaTypes[compression];
  const { digest, size } = await recorder.install(mediaType, (blob) => pins.blob(blob.digest));
  const note = { blob: { mediaType, digest, size, made: true } };
  await context.notes.take(() => noteLayer(context.layout, info.diffId, note));
}

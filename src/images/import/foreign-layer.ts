// Adds a layer that comes as a tar and not as a blob with a digest: a root filesystem, a layer of a docker archive.
// What came compressed is kept as it is; what came plain is compressed on the way, because the same archive, byte for
// byte, cannot be made from the tree again.

import { once } from 'node:events';
import { Readable, type Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  allUsed,
  type Compression,
  compressor,
  decompressorOf,
  layerMediaTypes,
  sniff,
} from '../blobs/compression.ts';
import { BlobRecorder } from '../blobs/recorder.ts';
import type { LayerCompression } from '../content.ts';
import { type LayerInfo, noteLayer, type UnpackOptions, unpackLayer } from '../layers/layers.ts';
import type { Descriptor } from '../oci.ts';
import type { StoreContext } from '../store/context.ts';
import type { PinSet } from '../store/pins.ts';

export interface ForeignLayer {
  readonly info: LayerInfo;
  readonly blob: Descriptor;
}

/** Unpacks the archive, installs tree and blob, and pins both. `complete` rejects where the archive is not whole. */
export async function addForeignLayer(
  context: StoreContext,
  pins: PinSet,
  archive: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
  complete: Promise<unknown> = Promise.resolve(),
): Promise<ForeignLayer> {
  const { layout, program } = context;
  const { compression, stream } = await sniff(archive);
  const undo = decompressorOf(stream, options.label, compression);
  const kept = keptAs(compression);
  const squeeze = compression === 'none' ? compressor(kept) : undefined;
  await using recorder = await BlobRecorder.open(layout);
  const recording = record(squeeze, recorder.sink);
  let bytes = 0;
  const counted = tee(stream, recording, (length) => {
    bytes += length;
  });
  const copy = Readable.from(counted, { objectMode: false, highWaterMark: 256 * 1024 });
  // What is kept goes out as it is, and nobody would take it with something behind the compressed data.
  const used =
    undo === undefined ? complete : Promise.all([complete, allUsed(undo, () => bytes, options.label)]);
  const source = {
    stages: undo === undefined ? ([copy] as const) : ([copy, undo] as const),
    readBytes: () => bytes,
    complete: used.then(() => undefined),
  };
  source.complete.catch(() => undefined); // awaited once the stream has ended
  await using layer = await unpackLayer(layout, program, source, options);
  await recording.done;
  const mediaType = layerMediaTypes[kept];
  const blob = await recorder.install(mediaType, ({ digest }) => pins.blob(digest));
  pins.layer(layer.info.diffId);
  await layer.install();
  const note = { blob: { mediaType, digest: blob.digest, size: blob.size, made: false } };
  await context.notes.take(() => noteLayer(layout, layer.info.diffId, note));
  return { info: layer.info, blob };
}

/** Nothing that decompressor() refuses gets here. */
function keptAs(compression: Compression): LayerCompression {
  return compression === 'gzip' ? 'gzip' : 'zstd';
}

interface Recording {
  readonly entry: Writable;
  readonly done: Promise<void>;
}

function record(squeeze: Transform | undefined, sink: Writable): Recording {
  const entry = squeeze ?? sink;
  const done = squeeze === undefined ? finished(sink) : pipeline(squeeze, sink);
  done.catch(() => undefined); // tee() and the caller hear of it
  return { entry, done };
}

async function finished(sink: Writable): Promise<void> {
  await once(sink, 'close');
  if (!sink.writableFinished) throw sink.errored ?? new Error('the copy was broken off');
}

/** Passes the bytes on, and writes them to the recording at the pace of the slower one. */
async function* tee(
  source: AsyncIterable<Uint8Array>,
  { entry, done }: Recording,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  entry.on('error', () => undefined); // `done` tells
  try {
    for await (const chunk of source) {
      if (entry.destroyed) await done;
      if (!entry.write(chunk)) await Promise.race([once(entry, 'drain'), done]);
      count(chunk.length);
      yield chunk;
    }
    entry.end();
  } finally {
    if (!entry.writableEnded) entry.destroy();
  }
}

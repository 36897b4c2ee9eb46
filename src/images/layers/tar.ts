// Gives a layer's archive back: packed from its tree where it was packed here, or read from a blob that holds it.

import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DockershError } from '../../lib/errors.ts';
import { blobSize } from '../blobs/blobs.ts';
import { decompressor, sniff } from '../blobs/compression.ts';
import { DigestTap } from '../blobs/tap.ts';
import type { Digest } from '../digest.ts';
import type { Layout } from '../store/layout.ts';
import type { LayerInfo } from './layers.ts';
import { type LayerProgram, layerFailure, startPack } from './program.ts';

/** A blob's file, verified while it is read; undefined where it is not there. */
export async function openBlobFile(layout: Layout, digest: Digest): Promise<Readable | undefined> {
  const size = await blobSize(layout, digest);
  if (size === undefined) return undefined;
  const tap = new DigestTap({ digest, size });
  const file = createReadStream(layout.blob(digest), { highWaterMark: 256 * 1024 });
  follow(pipeline(file, tap));
  return tap;
}

/** The uncompressed archive, verified while it is read. Throws E_IMAGE_BROKEN where it cannot be had. */
export async function openLayerTar(
  layout: Layout,
  program: LayerProgram,
  info: LayerInfo,
  signal?: AbortSignal,
): Promise<Readable> {
  if (info.packed) return packLayer(layout, program, info, signal);
  for (const { digest } of info.blobs) {
    const blob = await openBlobFile(layout, digest);
    if (blob !== undefined) return await decompressed(blob, info);
  }
  throw new DockershError('E_IMAGE_BROKEN', {
    what: `layer ${info.diffId}`,
    why: 'no blob that holds it is left in the store',
    hint: 'Pull or import the image again.',
  });
}

async function decompressed(blob: Readable, info: LayerInfo): Promise<Readable> {
  const { compression, stream } = await sniff(blob);
  const tap = new DigestTap({ digest: info.diffId, size: info.size });
  const undo = decompressor(`layer ${info.diffId}`, compression);
  follow(undo === undefined ? pipeline(stream, tap) : pipeline(stream, undo, tap));
  return tap;
}

function packLayer(
  layout: Layout,
  program: LayerProgram,
  info: LayerInfo,
  signal: AbortSignal | undefined,
): Readable {
  const { child, ended } = startPack(program, layout.tree(info.diffId), { overlay: true, signal });
  const tap = new DigestTap({ digest: info.diffId, size: info.size });
  // A pack that failed has written too little: the tap says so, and its cause is the program's word.
  void ended.then(
    (exit) => {
      if (exit.status !== 0 && exit.signal !== 'SIGPIPE') {
        tap.destroy(layerFailure(`pack layer ${info.diffId}`, exit));
      }
    },
    (error: unknown) => tap.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  follow(pipeline(child.stdout, tap));
  return tap;
}

/** A failure of these streams is one of the last as well, whose reader hears of it. */
function follow(done: Promise<void>): void {
  done.catch(() => undefined);
}

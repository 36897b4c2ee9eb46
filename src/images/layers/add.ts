// Adds a layer to the store, as a blob and as a tree, wherever the blob comes from. The blob is checked against its
// digest and the archive in it against the diffID, both by the stream that is unpacked.

import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DockershError } from '../../lib/errors.ts';
import { blobSize } from '../blobs/blobs.ts';
import { allUsed, decompressorOf, sniff } from '../blobs/compression.ts';
import { PartialBlob } from '../blobs/partial.ts';
import { DigestTap } from '../blobs/tap.ts';
import type { AddOptions, BlobProgress, OpenBlob } from '../content.ts';
import type { Digest } from '../digest.ts';
import { type Descriptor, maxDocumentBytes } from '../oci.ts';
import type { StoreContext } from '../store/context.ts';
import type { Layout } from '../store/layout.ts';
import type { ArchiveSource } from './archive.ts';
import {
  findLayerInfo,
  type LayerBlob,
  type LayerInfo,
  noteLayer,
  requireDiffId,
  streamFailure,
  unpackLayer,
} from './layers.ts';
import { openBlobFile } from './tar.ts';

const mostBlobBytes = 64 * 1024 ** 3;

/** Whether an image may name this blob for this layer: the one was seen to hold the other. */
export function holds(info: LayerInfo, blob: Digest): boolean {
  return (info.packed && blob === info.diffId) || info.blobs.some(({ digest }) => digest === blob);
}

export async function hasLayer(layout: Layout, blob: Digest, diffId: Digest): Promise<boolean> {
  const info = await findLayerInfo(layout, diffId);
  if (info === undefined || !holds(info, blob)) return false;
  return (info.packed && blob === diffId) || (await blobSize(layout, blob)) !== undefined;
}

/** Callers have pinned both digests. */
export async function addLayer(
  context: StoreContext,
  blob: Descriptor,
  diffId: Digest,
  open: OpenBlob,
  options: AddOptions,
): Promise<void> {
  refuseTooLarge(blob, context.program.limits.maxBytes ?? mostBlobBytes);
  const isDone = (): Promise<boolean> => hasLayer(context.layout, blob.digest, diffId);
  await context.flights.share(blob.digest, options, isDone, async (report) => {
    const { mediaType, digest, size } = blob;
    const note = { blob: { mediaType, digest, size, made: false } };
    await withBytes(context, blob, open, { ...options, report }, async (bytes) => {
      await unpackOrCheck(context, { bytes, blob: note.blob, diffId }, options.signal);
    });
    // For a layer that was here already; a new one says so from the start, which spares two waits for the disk.
    await context.notes.take(() => noteLayer(context.layout, diffId, note));
  });
}

/** Of anything but a layer. */
export async function addBlob(
  context: StoreContext,
  blob: Descriptor,
  open: OpenBlob,
  options: AddOptions,
): Promise<void> {
  refuseTooLarge(blob, maxDocumentBytes);
  const isDone = async (): Promise<boolean> => (await blobSize(context.layout, blob.digest)) !== undefined;
  await context.flights.share(blob.digest, options, isDone, async (report) => {
    await withBytes(context, blob, open, { ...options, report }, drain);
  });
}

function refuseTooLarge(blob: Descriptor, limit: number): void {
  if (blob.size <= limit) return;
  throw new DockershError('E_ARCHIVE_REFUSED', {
    what: `blob ${blob.digest}`,
    why: `it has ${blob.size} bytes, the limit is ${limit}`,
  });
}

interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  readonly report: (progress: BlobProgress) => void;
}

/** Gives `use` the blob's bytes, from the store or from outside, and stores what came from outside. */
async function withBytes(
  context: StoreContext,
  blob: Descriptor,
  open: OpenBlob,
  options: FetchOptions,
  use: (bytes: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const stored = await openBlobFile(context.layout, blob.digest);
  if (stored !== undefined) {
    await use(stored);
    return;
  }
  const reading = { signal: options.signal ?? new AbortController().signal, report: options.report };
  for (let attempt = 0; ; attempt += 1) {
    await using partial = await PartialBlob.open(context.layout, blob);
    try {
      await use(partial.bytes(open, reading));
      await partial.install();
      return;
    } catch (error) {
      const mayResume = reading.signal.aborted || partial.sourceFailed;
      if (!mayResume || partial.isEmpty) await partial.discard();
      if (mayResume) throw error;
      // What was left of an earlier attempt may have been damaged by a power cut: once more, from the start.
      const mayMend = partial.resumed && attempt === 0 && isBroken(error);
      if (!mayMend) throw error;
    }
  }
}

function isBroken(error: unknown): boolean {
  return error instanceof DockershError && ['E_IMAGE_BROKEN', 'E_ARCHIVE_REFUSED'].includes(error.code);
}

interface LayerBytes {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** What they are. */
  readonly blob: LayerBlob;
  readonly diffId: Digest;
}

async function unpackOrCheck(
  context: StoreContext,
  { bytes, blob, diffId }: LayerBytes,
  signal: AbortSignal | undefined,
): Promise<void> {
  const label = `layer ${diffId}`;
  const source = await layerSource(bytes, blob.size, label);
  if ((await findLayerInfo(context.layout, diffId)) === undefined) {
    const unpack = { signal, label, diffId, blob };
    await using layer = await unpackLayer(context.layout, context.program, source, unpack);
    await layer.install();
    return;
  }
  const tap = new DigestTap();
  try {
    await pipeline([...source.stages, tap, discarding()], signal === undefined ? {} : { signal });
  } catch (error) {
    throw streamFailure(label, error);
  }
  await source.complete;
  requireDiffId(tap.digest, { label, diffId });
}

async function layerSource(
  bytes: AsyncIterable<Uint8Array>,
  size: number,
  label: string,
): Promise<ArchiveSource> {
  const { compression, stream } = await sniff(bytes);
  const undo = decompressorOf(stream, label, compression);
  if (undo === undefined) return { stages: [stream], readBytes: () => 0, complete: Promise.resolve() };
  return { stages: [stream, undo], readBytes: () => 0, complete: allUsed(undo, () => size, label) };
}

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of bytes); // written and checked on the way
}

function discarding(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

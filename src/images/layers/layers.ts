// Holds layers by diffID: unpacked once, shared, and never changed after they are in place.
//
// A layer is unpacked in tmp/, which nobody but this process looks at, written to the disk, and then renamed
// into place as a whole. Nothing half made is ever visible under its name.

import { mkdir, mkdtemp, readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import type { Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { syncFolder, writeFileAtomic } from '../../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';
import { DigestTap } from '../blobs/tap.ts';
import { type Digest, digestFromHex, digestSchema } from '../digest.ts';
import type { Layout } from '../store/layout.ts';
import type { ArchiveSource } from './archive.ts';
import { type LayerProgram, layerFailure, removeFolder, startUnpack } from './program.ts';

/** A blob that was seen to hold a layer. */
const layerBlob = z.strictObject({
  mediaType: z.string(),
  digest: digestSchema,
  size: z.int().nonnegative(),
  /** Compressed here: nothing refers to it by necessity, and it stays as long as the layer does. */
  made: z.boolean(),
});
export type LayerBlob = z.infer<typeof layerBlob>;

/** layer.json, beside the tree. */
export const layerInfo = z.strictObject({
  diffId: digestSchema,
  /** Of the uncompressed archive, bytes. */
  size: z.int().nonnegative(),
  /** Files, folders and links. */
  entries: z.int().nonnegative(),
  /** Device nodes that the archive held; none is ever made. */
  skippedDevices: z.int().nonnegative(),
  /** The archive was packed here: packing the tree gives it again, so it needs no blob. */
  packed: z.boolean().default(false),
  /** Some may be gone by now. */
  blobs: z.array(layerBlob).default([]),
});
export type LayerInfo = z.infer<typeof layerInfo>;

const unpackReport = z.looseObject({
  entries: z.int().nonnegative(),
  skippedDevices: z.int().nonnegative(),
  timesKept: z.boolean(),
});

/** A layer that is whole but not in the store yet. Disposing removes what has not been installed. */
export interface UnpackedLayer extends AsyncDisposable {
  readonly info: LayerInfo;
  /** Where it lies until it is installed. */
  readonly tree: string;
  /** False: the store's file system holds not all times of its files, so packing it gives another archive. */
  readonly timesKept: boolean;
  /** Moves it into place. Where the same layer is there already, that one stays and this one goes. */
  install(): Promise<void>;
}

export interface UnpackOptions {
  readonly signal?: AbortSignal | undefined;
  /** What failures are about: "import /srv/rootfs.tar". */
  readonly label: string;
  /** Refuse an archive of any other digest. */
  readonly diffId?: Digest | undefined;
  /** The archive comes from dockersh-layer pack. */
  readonly packed?: boolean;
  /** The blob that the archive comes from, where the stream fails if it is another. */
  readonly blob?: LayerBlob;
}

/** Unpacks an archive into tmp/. Memory use is constant. */
export async function unpackLayer(
  layout: Layout,
  program: LayerProgram,
  source: ArchiveSource,
  options: UnpackOptions,
): Promise<UnpackedLayer> {
  const folder = await mkdtemp(path.join(layout.tmp, 'layer-'));
  try {
    const tree = path.join(folder, 'tree');
    // The mode of a root filesystem's root, where the archive says nothing about it.
    await mkdir(tree, { mode: 0o755 });
    const { info, timesKept } = await unpackInto(tree, program, source, options);
    await writeFileAtomic(path.join(folder, 'layer.json'), `${JSON.stringify(info)}\n`);
    return { ...unpacked(layout, program, folder, info), timesKept };
  } catch (error) {
    await removeFolder(program, folder);
    throw error;
  }
}

async function unpackInto(
  tree: string,
  program: LayerProgram,
  source: ArchiveSource,
  options: UnpackOptions,
): Promise<{ readonly info: LayerInfo; readonly timesKept: boolean }> {
  const { signal, diffId } = options;
  const { child, ended } = startUnpack(program, tree, { signal, mayStop: diffId !== undefined });
  const tap = new DigestTap();
  const [streamed, exited, completed] = await Promise.allSettled([
    pump(source.stages, [tap, child.stdin], options.signal),
    ended,
    source.complete,
  ]);
  options.signal?.throwIfAborted();
  // Which of several failures is the cause: the source's own; then a stream that broke by itself (bad
  // compression); then the program's, which a broken pipe only follows.
  if (completed.status === 'rejected') throw completed.reason;
  if (exited.status === 'rejected') throw exited.reason;
  if (streamed.status === 'rejected' && !isBrokenPipe(streamed.reason)) {
    throw streamFailure(options.label, streamed.reason);
  }
  if (exited.value.status !== 0) throw layerFailure(options.label, exited.value);
  if (streamed.status === 'rejected') throw streamed.reason;
  const report = unpackReport.parse(JSON.parse(exited.value.stdout));
  if (tap.digest === undefined) throw new DockershError('E_INTERNAL', { what: options.label });
  requireDiffId(tap.digest, options);
  const info: LayerInfo = {
    diffId: tap.digest,
    size: tap.bytes,
    entries: report.entries,
    skippedDevices: report.skippedDevices,
    packed: options.packed ?? false,
    blobs: options.blob === undefined ? [] : [options.blob],
  };
  return { info, timesKept: report.timesKept };
}

/** Throws E_IMAGE_BROKEN where a layer has another digest than its image says. */
export function requireDiffId(
  found: Digest | undefined,
  { diffId, label }: Pick<UnpackOptions, 'diffId' | 'label'>,
): void {
  if (diffId === undefined || diffId === found) return;
  throw new DockershError('E_IMAGE_BROKEN', {
    what: label,
    why: `the uncompressed layer has the digest ${found}, the image's configuration says ${diffId}`,
    hint: 'The image is put together wrongly: get it again from where it was made.',
  });
}

async function pump(
  [first, ...rest]: ArchiveSource['stages'],
  last: readonly [Transform, Writable],
  signal: AbortSignal | undefined,
): Promise<void> {
  await pipeline([first, ...rest, ...last], signal === undefined ? {} : { signal });
}

/** Whoever read what was written has gone, and says why itself. */
export function isBrokenPipe(error: unknown): boolean {
  return hasErrno(
    error,
    'EPIPE',
    'ECONNRESET',
    'ECANCELED',
    'ERR_STREAM_PREMATURE_CLOSE',
    'ERR_STREAM_DESTROYED',
  );
}

/** zlib's errors say what is wrong with the data and carry codes such as Z_DATA_ERROR. */
export function streamFailure(label: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof DockershError) return error;
  const { code } = error as NodeJS.ErrnoException;
  const fromZlib = code !== undefined && /^(Z_|ZSTD_|ERR_ZLIB)/.test(code);
  if (!fromZlib) return error;
  if (/windowTooLarge|^Z_MEM_ERROR|memory/.test(code)) {
    return new DockershError('E_ARCHIVE_REFUSED', {
      what: label,
      why: `decompressing it would take more memory than this host gives (${error.message})`,
      hint: 'Compress it again with a window of at most 128 MiB, as zstd does without --long.',
      cause: error,
    });
  }
  return new DockershError('E_IMAGE_BROKEN', {
    what: label,
    why: `the compressed data is damaged or ends too early (${error.message})`,
    hint: 'Make the archive again.',
    cause: error,
  });
}

function unpacked(
  layout: Layout,
  program: LayerProgram,
  folder: string,
  info: LayerInfo,
): Omit<UnpackedLayer, 'timesKept'> {
  let installed = false;
  return {
    info,
    tree: path.join(folder, 'tree'),
    async install() {
      try {
        await rename(folder, layout.layer(info.diffId));
        installed = true;
      } catch (error) {
        // The layer is there already: same digest, same content. The new copy goes when this is disposed.
        if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
      }
      await syncFolder(layout.layers);
    },
    async [Symbol.asyncDispose]() {
      if (!installed) await removeFolder(program, folder);
    },
  };
}

/** What layer.json says. Throws E_IMAGE_BROKEN where the layer is not there. */
export async function readLayerInfo(layout: Layout, diffId: Digest): Promise<LayerInfo> {
  const info = await findLayerInfo(layout, diffId);
  if (info === undefined) {
    throw new DockershError('E_IMAGE_BROKEN', { what: `layer ${diffId}`, why: 'it is missing' });
  }
  return info;
}

/** As readLayerInfo; undefined where the layer is not there. */
export async function findLayerInfo(layout: Layout, diffId: Digest): Promise<LayerInfo | undefined> {
  const text = await ifThere(readFile(infoFile(layout, diffId), 'utf8'));
  if (text === undefined) return undefined;
  try {
    return layerInfo.parse(JSON.parse(text));
  } catch (error) {
    throw new DockershError('E_IMAGE_BROKEN', {
      what: `layer ${diffId}`,
      why: 'its description is damaged',
      cause: error,
    });
  }
}

/** Writes down what has become known of a layer. Callers take turns. */
export async function noteLayer(
  layout: Layout,
  diffId: Digest,
  news: { readonly packed?: boolean; readonly blob?: LayerBlob },
): Promise<void> {
  const info = await readLayerInfo(layout, diffId);
  const blob = info.blobs.some(({ digest }) => digest === news.blob?.digest) ? undefined : news.blob;
  const packed = info.packed || (news.packed ?? false);
  if (blob === undefined && packed === info.packed) return;
  const noted: LayerInfo = { ...info, packed, blobs: blob ? [...info.blobs, blob] : info.blobs };
  await writeFileAtomic(infoFile(layout, diffId), `${JSON.stringify(noted)}\n`);
}

function infoFile(layout: Layout, diffId: Digest): string {
  return path.join(layout.layer(diffId), 'layer.json');
}

export async function listLayers(layout: Layout): Promise<Digest[]> {
  return (await readdir(layout.layers)).map(digestFromHex);
}

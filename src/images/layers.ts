// Layers, unpacked once and shared: by diffID, never changed after they are in place.
//
// A layer is unpacked in tmp/, which nobody but this process looks at, written to the disk, and then renamed
// into place as a whole. Nothing half made is ever visible under its name.

import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../lib/errors.ts';
import type { ArchiveSource } from './archive.ts';
import { type Digest, digestFromHex, digestSchema } from './digest.ts';
import { type LayerProgram, layerFailure, removeFolder, startUnpack } from './layer-program.ts';
import { type Layout, syncFolder } from './layout.ts';
import { DigestTap } from './tap.ts';

/** layer.json, beside the tree. */
export const layerInfo = z.strictObject({
  diffId: digestSchema,
  /** Of the uncompressed archive, bytes. */
  size: z.int().nonnegative(),
  /** Files, folders and links. */
  entries: z.int().nonnegative(),
  /** Device nodes that the archive held; none is ever made. */
  skippedDevices: z.int().nonnegative(),
});
export type LayerInfo = z.infer<typeof layerInfo>;

const unpackReport = z.looseObject({
  entries: z.int().nonnegative(),
  skippedDevices: z.int().nonnegative(),
});

/** A layer that is whole but not in the store yet. Disposing removes what has not been installed. */
export interface UnpackedLayer extends AsyncDisposable {
  readonly info: LayerInfo;
  /** Moves it into place. Where the same layer is there already, that one stays and this one goes. */
  install(): Promise<void>;
}

/** Unpacks an archive into tmp/. Memory use is constant. */
export async function unpackLayer(
  layout: Layout,
  program: LayerProgram,
  source: ArchiveSource,
  options: { readonly signal?: AbortSignal | undefined; readonly label: string },
): Promise<UnpackedLayer> {
  const folder = await mkdtemp(path.join(layout.tmp, 'layer-'));
  try {
    const tree = path.join(folder, 'tree');
    // The mode of a root filesystem's root, where the archive says nothing about it.
    await mkdir(tree, { mode: 0o755 });
    const info = await unpackInto(tree, program, source, options);
    await writeFileAtomic(path.join(folder, 'layer.json'), `${JSON.stringify(info)}\n`);
    return unpacked(layout, program, folder, info);
  } catch (error) {
    await removeFolder(program, folder);
    throw error;
  }
}

async function unpackInto(
  tree: string,
  program: LayerProgram,
  source: ArchiveSource,
  options: { readonly signal?: AbortSignal | undefined; readonly label: string },
): Promise<LayerInfo> {
  const { child, ended } = startUnpack(program, tree, options.signal);
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
  return {
    diffId: tap.digest,
    size: tap.bytes,
    entries: report.entries,
    skippedDevices: report.skippedDevices,
  };
}

async function pump(
  [first, ...rest]: ArchiveSource['stages'],
  last: readonly [Transform, Writable],
  signal: AbortSignal | undefined,
): Promise<void> {
  await pipeline([first, ...rest, ...last], signal === undefined ? {} : { signal });
}

function isBrokenPipe(error: unknown): boolean {
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
function streamFailure(label: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof DockershError) return error;
  const { code } = error as NodeJS.ErrnoException;
  const fromZlib = code !== undefined && /^(Z_|ZSTD_|ERR_ZLIB)/.test(code);
  if (!fromZlib) return error;
  return new DockershError('E_IMAGE_BROKEN', {
    what: label,
    why: `the compressed data is damaged or ends too early (${error.message})`,
    hint: 'Make the archive again.',
    cause: error,
  });
}

function unpacked(layout: Layout, program: LayerProgram, folder: string, info: LayerInfo): UnpackedLayer {
  let installed = false;
  return {
    info,
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
  try {
    const text = await readFile(path.join(layout.layer(diffId), 'layer.json'), 'utf8');
    return layerInfo.parse(JSON.parse(text));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      throw new DockershError('E_IMAGE_BROKEN', { what: `layer ${diffId}`, why: 'it is missing' });
    }
    throw error;
  }
}

export async function listLayers(layout: Layout): Promise<Digest[]> {
  return (await readdir(layout.layers)).map(digestFromHex);
}

/** Takes a layer out of the store: gone under its name at once, its files a little later. */
export async function discardLayer(layout: Layout, diffId: Digest): Promise<string> {
  const aside = await mkdtemp(path.join(layout.tmp, 'gone-'));
  try {
    await rename(layout.layer(diffId), path.join(aside, 'layer'));
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
  return aside;
}

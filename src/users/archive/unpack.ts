// Unpacks an archive with a user's data into a folder that becomes the user's own. Every byte of it may be a stranger's:
// dockersh-layer reads it, confined to the folder, and what it has made is looked at before it gets a place.

import { lstat, mkdir, readdir, rename } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { decompressorOf, sniff } from '../../images/blobs/compression.ts';
import { isBrokenPipe, streamFailure } from '../../images/layers/layers.ts';
import { type IdMapping, type LayerProgram, layerFailure, startUnpack } from '../../images/layers/program.ts';
import { syncFolder, writeFileAtomic } from '../../lib/atomic-file.ts';
import type { ChildOutcome } from '../../lib/child-outcome.ts';
import { DockershError } from '../../lib/errors.ts';
import { failureOf } from '../../lib/failures.ts';
import { baseOf } from '../layer/files.ts';
import { homeIn, layerFolder, snapshotsFolder } from '../places.ts';
import { type ArchivedTree, type ArchiveManifest, folderOf, readManifest, refused } from './manifest.ts';

/** An archive of which the manifest has been read, and no more. */
export interface OpenArchive extends Disposable {
  readonly manifest: ArchiveManifest;
  /** A tar. */
  readonly rest: AsyncIterable<Uint8Array>;
}

const label = 'the archive';

/** Throws E_ARCHIVE_REFUSED, E_IMAGE_BROKEN where it is damaged. */
export async function openArchive(source: Readable): Promise<OpenArchive> {
  const { compression, stream: raw } = await sniff(source);
  const undo = decompressorOf(raw, label, compression);
  const stream = undo ?? raw;
  if (undo !== undefined) pipeline(raw, undo).catch(() => undefined); // a failure of `undo` as well
  try {
    return { ...(await readManifest(stream)), [Symbol.dispose]: () => void stream.destroy() };
  } catch (error) {
    stream.destroy();
    source.destroy();
    throw streamFailure(label, error);
  }
}

const report = z.looseObject({
  entries: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  implied: z.int().nonnegative(),
});
export type Unpacked = z.infer<typeof report>;

/** Into the folder, which is empty, as a user's folder has it. */
export async function unpackArchive(
  program: LayerProgram,
  { manifest, rest }: OpenArchive,
  folder: string,
  ids: IdMapping,
  signal: AbortSignal | undefined,
): Promise<Unpacked> {
  const aside = path.join(folder, 'unpacked');
  await mkdir(aside, { mode: 0o700 });
  const { child, ended } = startUnpack(program, aside, { signal, mayStop: false, ids });
  const pumped = pipeline(rest, child.stdin, signal === undefined ? {} : { signal });
  const [read, exited] = await Promise.allSettled([pumped, ended]);
  signal?.throwIfAborted();
  if (read.status === 'rejected' && !isBrokenPipe(read.reason)) throw streamFailure(label, read.reason);
  if (exited.status === 'rejected') throw exited.reason;
  if (exited.value.status !== 0) throw unpackFailure(exited.value);
  const unpacked = report.parse(JSON.parse(exited.value.stdout));
  // Ours name every folder before what is in it; one that is only implied would have no owner.
  if (unpacked.implied > 0) throw refused('it has files in folders that it does not name');
  await requireTrees(aside, manifest);
  for (const tree of manifest.trees) await place(folder, path.join(aside, folderOf(tree)), tree);
  return unpacked;
}

/** The limits are what there is room for. */
function unpackFailure(exit: ChildOutcome): DockershError {
  const failure = layerFailure('unpack the archive', exit);
  if (failureOf(exit.status ?? undefined) !== 'excess') return failure;
  return new DockershError('E_DISK_FULL', {
    what: 'the archive holds more than there is room for',
    why: failure.message,
    hint: 'Free some space on the file system of the state folder, or raise "inodes" where the user has too many files.',
  });
}

/** What the manifest names and nothing else, and folders: a link in the place of one would lead out of here. */
async function requireTrees(aside: string, { trees }: ArchiveManifest): Promise<void> {
  const wanted = new Set(trees.map(folderOf));
  const found = await readdir(aside);
  if (found.length !== wanted.size || !found.every((name) => wanted.has(name))) {
    throw refused('it does not hold what it says');
  }
  for (const name of found) {
    if (!(await lstat(path.join(aside, name))).isDirectory()) throw refused(`${name} in it is no folder`);
  }
}

async function place(folder: string, from: string, tree: ArchivedTree): Promise<void> {
  if (tree.kind === 'home') {
    await rename(from, homeIn(folder));
    return;
  }
  const to = tree.kind === 'layer' ? layerFolder(folder) : path.join(snapshotsFolder(folder), tree.name);
  await mkdir(to, { recursive: true, mode: 0o700 });
  await rename(from, path.join(to, 'upper'));
  if (tree.kind === 'layer') await mkdir(path.join(to, 'work'), { mode: 0o700 });
  else await writeFileAtomic(path.join(to, 'snapshot.json'), `${JSON.stringify(tree.info)}\n`);
  if (tree.base !== undefined) await writeFileAtomic(baseOf(to), `${JSON.stringify(tree.base)}\n`);
  await syncFolder(to);
}

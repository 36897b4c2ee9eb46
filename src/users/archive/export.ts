// Writes a user's data into one archive, while it is read: the layer, its snapshots and the private home, each packed by
// dockersh-layer, with ids as they are inside. The rescue layer is left out: it is there for a while and made anew.

import path from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { compressor } from '../../images/blobs/compression.ts';
import { type ImportOptions, reportEvery } from '../../images/import/options.ts';
import { type LeftOut, packedArchive } from '../../images/layers/archive.ts';
import type { IdMapping, LayerProgram } from '../../images/layers/program.ts';
import type { UserRecord } from '../../isolation/engine.ts';
import type { IdMaps } from '../../isolation/ids.ts';
import { DockershError } from '../../lib/errors.ts';
import { exists } from '../../lib/if-there.ts';
import type { UserDisk } from '../disk/user-disks.ts';
import { findHome } from '../home/private-home.ts';
import { listSnapshots, readLayerBase } from '../layer/snapshots.ts';
import { snapshotsFolder, upperOf } from '../places.ts';
import { idsForExport } from './ids.ts';
import { type ArchivedTree, type ArchiveManifest, folderOf, manifestBytes } from './manifest.ts';

/** Where a tree of the archive lies. */
export interface TreePlace {
  readonly tree: ArchivedTree;
  readonly path: string;
}

/** All that there is of the user's to put into an archive. Throws E_NOT_FOUND where that is nothing. */
export async function treesOf(
  user: UserRecord,
  { outside, folder }: UserDisk,
  homeRoot: string | null,
): Promise<TreePlace[]> {
  const trees: TreePlace[] = [];
  const upper = upperOf(folder);
  if (await exists(upper)) {
    trees.push({ tree: { kind: 'layer', base: await readLayerBase(folder) }, path: upper });
  }
  for (const { name, base, ...info } of await listSnapshots(folder)) {
    const place = path.join(snapshotsFolder(folder), name, 'upper');
    trees.push({ tree: { kind: 'snapshot', name, base, info }, path: place });
  }
  const home = await findHome({ user, outside, folder, homeRoot });
  if (home !== undefined) trees.push({ tree: { kind: 'home' }, path: home });
  if (trees.length > 0) return trees;
  throw new DockershError('E_NOT_FOUND', {
    what: `data of ${user.name}`,
    why: 'nothing is kept of this user',
  });
}

export interface ExportedArchive {
  /** Compressed. */
  readonly stream: Readable;
  /** Known when the stream has ended. */
  readonly leftOut: () => LeftOut;
}

const mostTold = 10;
/** Nobody else's archive: what there is is written, however much. */
export const noLimits = { maxEntries: Number.MAX_SAFE_INTEGER, maxBytes: Number.MAX_SAFE_INTEGER };

export function archiveOf(
  program: LayerProgram,
  user: UserRecord,
  maps: IdMaps,
  trees: readonly TreePlace[],
  own: ArchiveManifest['own'],
  options: ImportOptions,
): ExportedArchive {
  const { ids, told } = idsForExport(user, maps);
  const manifest: ArchiveManifest = {
    dockersh: 'user',
    version: 1,
    createdAt: new Date().toISOString(),
    user: { name: user.name, uid: user.uid },
    ids: told,
    trees: trees.map(({ tree }) => tree),
    own,
  };
  const leftOut = { count: 0, examples: [] as string[] };
  const tell = ({ count, examples }: LeftOut): void => {
    leftOut.count += count;
    leftOut.examples.push(...examples.slice(0, mostTold - leftOut.examples.length));
  };
  const parts = partsOf({ ...program, limits: noLimits }, manifestBytes(manifest), ids, trees, options, tell);
  const plain = Readable.from(parts, { objectMode: false });
  const packed = compressor('zstd');
  if (packed === undefined) return { stream: plain, leftOut: () => leftOut };
  // A failure is one of the last stream as well, whose reader hears of it.
  return { stream: pipeline(plain, packed, () => undefined), leftOut: () => leftOut };
}

async function* partsOf(
  program: LayerProgram,
  head: Buffer,
  ids: IdMapping,
  trees: readonly TreePlace[],
  options: ImportOptions,
  tell: (leftOut: LeftOut) => void,
): AsyncGenerator<Buffer, void, void> {
  yield head;
  for (const { tree, path: place } of trees) {
    const packing = { overlay: true, part: folderOf(tree), ids, signal: options.signal };
    const packed = packedArchive(program, place, packing);
    const step = tree.kind === 'snapshot' ? `snapshot ${tree.name}` : `the ${tree.kind}`;
    using _reports = reportEvery(options, () => ({ step: `reading ${step}`, bytes: packed.readBytes() }));
    yield* packed.stages[0] as AsyncIterable<Buffer>;
    await packed.complete;
    tell(await packed.leftOut);
  }
  yield Buffer.alloc(1024); // the end of a tar
}

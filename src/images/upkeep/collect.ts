// Garbage collection: mark what the index's names, sandboxes and users' layers lead to, sweep the rest.
// Run with the store's turn held, so that no name moves meanwhile. What running transactions hold is asked
// for in the very turn in which something goes, so a pull beside it loses nothing. While a document of an image is
// damaged, nobody knows what the image consists of: then nothing is garbage.

import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, statSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DockershError } from '../../lib/errors.ts';
import { readJsonBlob } from '../blobs/blobs.ts';
import { type Digest, digestFromHex } from '../digest.ts';
import { chainIdOf, listChains } from '../layers/chain.ts';
import { findLayerInfo, listLayers } from '../layers/layers.ts';
import { imageConfig, imageManifest, refNameAnnotation } from '../oci.ts';
import { readIndex } from '../store/index-file.ts';
import { type Layout, stalePartials } from '../store/layout.ts';
import type { Pins } from '../store/pins.ts';
import { sweepOrigins } from '../trust/record.ts';

export interface Marks {
  readonly blobs: Set<Digest>;
  readonly layers: Set<Digest>;
  readonly chains: Set<Digest>;
  /** Images whose manifest or configuration cannot be read, by name, or by digest where they have none. */
  readonly damaged: Set<string>;
}

export interface Garbage {
  /** Folders in tmp/ that hold it: removing those takes time and needs no turn. */
  readonly folders: readonly string[];
  readonly blobs: number;
  readonly layers: number;
  /** Of blobs, and of the archives that layers were unpacked from. */
  readonly bytes: number;
  /** As Marks has it. Where there is one, nothing was removed. */
  readonly damaged: readonly string[];
}

export interface Roots {
  /** Manifest digests. */
  readonly bases: ReadonlySet<string>;
  /** What sandboxes use at this moment: paths of layer trees, diffIDs, or manifest digests. */
  readonly inUse: () => ReadonlySet<string>;
  readonly pins: Pins;
}

/** Takes garbage out of the store; where the signal is aborted, no more than until then. */
export async function collectGarbage(
  layout: Layout,
  { bases, inUse, pins }: Roots,
  signal?: AbortSignal,
): Promise<Garbage> {
  const marks = await mark(layout, new Set([...bases, ...inUse()]));
  const swept = { folders: [] as string[], blobs: 0, layers: 0, bytes: 0, damaged: [...marks.damaged] };
  if (swept.damaged.length > 0) return swept;
  for (const diffId of await listLayers(layout)) {
    if (signal?.aborted) return swept;
    if (marks.layers.has(diffId)) continue;
    const bytes = await layerSize(layout, diffId);
    const users = inUse();
    if (users.has(diffId) || users.has(layout.tree(diffId)) || pins.hasLayer(diffId)) continue;
    swept.folders.push(moveAside(layout, layout.layer(diffId)));
    swept.layers += 1;
    swept.bytes += bytes;
  }
  for (const chainId of await listChains(layout)) {
    await nextTurn();
    if (signal?.aborted) return swept;
    const folder = layout.chain(chainId);
    if (!marks.chains.has(chainId) && !inUse().has(path.join(folder, 'tree'))) {
      swept.folders.push(moveAside(layout, folder));
    }
  }
  for (const name of await readdir(layout.blobs)) {
    if (!/^[0-9a-f]{64}$/.test(name)) continue;
    const digest = digestFromHex(name);
    await nextTurn();
    if (signal?.aborted) return swept;
    if (marks.blobs.has(digest) || pins.hasBlob(digest)) continue;
    swept.bytes += statSync(layout.blob(digest)).size;
    rmSync(layout.blob(digest));
    swept.blobs += 1;
  }
  await sweepOrigins(layout, (digest) => marks.blobs.has(digest) || pins.hasBlob(digest));
  await sweepPartials(layout, pins);
  return swept;
}

/** Gone under its name at once, its files a little later. Synchronous: see above. */
function moveAside(layout: Layout, folder: string): string {
  // A new name, and no new folder: that would want room on a disk that may be full.
  const aside = path.join(layout.tmp, `gone-${randomBytes(6).toString('hex')}`);
  renameSync(folder, aside);
  return aside;
}

async function sweepPartials(layout: Layout, pins: Pins): Promise<void> {
  for (const file of await stalePartials(layout)) {
    const hex = path.basename(file).slice(-64);
    if (/^[0-9a-f]{64}$/.test(hex) && pins.hasBlob(digestFromHex(hex))) continue;
    await rm(file, { force: true });
  }
}

async function layerSize(layout: Layout, diffId: Digest): Promise<number> {
  return (await orUndefined(findLayerInfo(layout, diffId)))?.size ?? 0;
}

/** What the index's names and the manifests of `roots` lead to. */
export async function mark(layout: Layout, roots: ReadonlySet<string>): Promise<Marks> {
  const marks: Marks = { blobs: new Set(), layers: new Set(), chains: new Set(), damaged: new Set() };
  const index = await readIndex(layout);
  const manifests = new Map(
    index.manifests.map(({ digest, annotations }) => [digest, annotations?.[refNameAnnotation] ?? digest]),
  );
  for (const name of await readdir(layout.blobs)) {
    if (!/^[0-9a-f]{64}$/.test(name) || !roots.has(`sha256:${name}`)) continue;
    const digest = digestFromHex(name);
    if (!manifests.has(digest)) manifests.set(digest, digest);
  }
  for (const [manifest, name] of manifests) {
    if (!(await markImage(layout, manifest, marks))) marks.damaged.add(name);
  }
  return marks;
}

/** False where not all of it could be found. */
async function markImage(layout: Layout, digest: Digest, marks: Marks): Promise<boolean> {
  marks.blobs.add(digest);
  const manifest = await orUndefined(readJsonBlob(layout, digest, imageManifest));
  if (manifest === undefined) return false;
  for (const blob of [manifest.config, ...manifest.layers]) marks.blobs.add(blob.digest);
  const config = await orUndefined(readJsonBlob(layout, manifest.config.digest, imageConfig));
  if (config === undefined) return false;
  marks.chains.add(chainIdOf(config.rootfs.diff_ids));
  for (const diffId of config.rootfs.diff_ids) await markLayer(layout, diffId, marks);
  return true;
}

/** With a layer stays what was compressed of it here. */
async function markLayer(layout: Layout, diffId: Digest, marks: Marks): Promise<void> {
  marks.layers.add(diffId);
  const info = await orUndefined(findLayerInfo(layout, diffId));
  for (const blob of info?.blobs ?? []) if (blob.made) marks.blobs.add(blob.digest);
}

async function orUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof DockershError && error.code === 'E_IMAGE_BROKEN')) throw error;
    return undefined;
  }
}

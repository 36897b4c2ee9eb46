// Garbage collection: mark what the index's names lead to and what running sandboxes use, sweep the rest.
// Run with the store's turn held, so that no import has put something that its tag does not name yet.

import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { DockershError } from '../lib/errors.ts';
import { readJsonBlob } from './blobs.ts';
import { type Digest, digestFromHex } from './digest.ts';
import { readIndex } from './index-file.ts';
import { discardLayer, listLayers } from './layers.ts';
import type { Layout } from './layout.ts';
import { imageConfig, imageManifest } from './oci.ts';

interface Marks {
  readonly blobs: Set<Digest>;
  readonly layers: Set<Digest>;
}

/**
 * Takes garbage out of the store. Returns the folders in tmp/ that hold it: removing those takes time and
 * needs no turn. `inUse` holds paths of layer trees, diffIDs, or manifest digests.
 */
export async function collectGarbage(layout: Layout, inUse: ReadonlySet<string>): Promise<string[]> {
  const marks = await mark(layout, inUse);
  const discarded: string[] = [];
  for (const diffId of await listLayers(layout)) {
    const used = marks.layers.has(diffId) || inUse.has(diffId) || inUse.has(layout.tree(diffId));
    if (!used) discarded.push(await discardLayer(layout, diffId));
  }
  for (const name of await readdir(layout.blobs)) {
    if (/^[0-9a-f]{64}$/.test(name) && !marks.blobs.has(digestFromHex(name))) {
      await rm(path.join(layout.blobs, name));
    }
  }
  return discarded;
}

async function mark(layout: Layout, inUse: ReadonlySet<string>): Promise<Marks> {
  const marks: Marks = { blobs: new Set(), layers: new Set() };
  const index = await readIndex(layout);
  const roots = new Set(index.manifests.map((manifest) => manifest.digest));
  for (const name of await readdir(layout.blobs)) {
    if (/^[0-9a-f]{64}$/.test(name) && inUse.has(`sha256:${name}`)) roots.add(digestFromHex(name));
  }
  for (const root of roots) await markImage(layout, root, marks);
  return marks;
}

/** Of a broken image everything that can still be read is kept: it may be repaired by hand. */
async function markImage(layout: Layout, digest: Digest, marks: Marks): Promise<void> {
  marks.blobs.add(digest);
  try {
    const manifest = await readJsonBlob(layout, digest, imageManifest);
    marks.blobs.add(manifest.config.digest);
    const config = await readJsonBlob(layout, manifest.config.digest, imageConfig);
    for (const diffId of config.rootfs.diff_ids) marks.layers.add(diffId);
  } catch (error) {
    if (!(error instanceof DockershError && error.code === 'E_IMAGE_BROKEN')) throw error;
  }
}

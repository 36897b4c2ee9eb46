// Where everything lies below the store's root:
//
//   oci-layout, index.json         OCI image layout; index.json is the one source of truth
//   blobs/sha256/HEX               manifests and configurations
//   layers/sha256/HEX/tree         a layer, unpacked once; HEX is its diffID
//   layers/sha256/HEX/layer.json   what it takes to describe it
//   host/FINGERPRINT               generations of the virtual image `host`
//   tmp/                           what is not whole yet; emptied when the store is opened
//   lock                           who has the store open
//
// Layer archives themselves are not kept as blobs: unpacked layers are what sandboxes run from, and keeping
// both would double the disk. `dockersh-layer pack` makes an archive again when one is needed, and the same
// archive, digest for digest, where it was packed by us (an imported folder).
//
// Run by dockershd as root. The root folder is 0700: set-id programs of images lie in it.

import { mkdir, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { isAtomicTemporary, writeFileAtomic } from '../lib/atomic-file.ts';
import { hasErrno } from '../lib/errors.ts';
import { type Digest, hexOf } from './digest.ts';
import { type ImageIndex, mediaTypes } from './oci.ts';

export interface Layout {
  readonly root: string;
  readonly index: string;
  readonly blobs: string;
  readonly layers: string;
  readonly host: string;
  readonly tmp: string;
  readonly lock: string;
  blob(digest: Digest): string;
  layer(diffId: Digest): string;
  /** The unpacked tree of a layer. */
  tree(diffId: Digest): string;
}

export function layoutAt(root: string): Layout {
  const layers = path.join(root, 'layers/sha256');
  const blobs = path.join(root, 'blobs/sha256');
  return {
    root,
    index: path.join(root, 'index.json'),
    blobs,
    layers,
    host: path.join(root, 'host'),
    tmp: path.join(root, 'tmp'),
    lock: path.join(root, 'lock'),
    blob: (digest) => path.join(blobs, hexOf(digest)),
    layer: (diffId) => path.join(layers, hexOf(diffId)),
    tree: (diffId) => path.join(layers, hexOf(diffId), 'tree'),
  };
}

/** Makes what is missing. Call with the lock held. */
export async function makeLayout(layout: Layout): Promise<void> {
  for (const folder of [layout.blobs, layout.layers, layout.host, layout.tmp]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  await writeIfMissing(path.join(layout.root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}\n');
  const empty: ImageIndex = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] };
  await writeIfMissing(layout.index, `${JSON.stringify(empty)}\n`);
}

/** What a killed process left half made: everything in tmp/, and temporary files of atomic writes. */
export async function leftovers(layout: Layout): Promise<string[]> {
  const found = (await readdir(layout.tmp)).map((name) => path.join(layout.tmp, name));
  for (const folder of [layout.root, layout.blobs, layout.host]) {
    const names = await readdir(folder);
    found.push(...names.filter(isAtomicTemporary).map((name) => path.join(folder, name)));
  }
  return found;
}

async function writeIfMissing(target: string, text: string): Promise<void> {
  try {
    await using file = await open(target, 'r');
    await file.stat();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    await writeFileAtomic(target, text);
  }
}

/** Makes a rename in this folder last through a power cut (fsync(2), notes on directories). */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

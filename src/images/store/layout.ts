// Paths below the store's root:
//
//   oci-layout, index.json         OCI image layout; index.json is the one source of truth
//   blobs/sha256/HEX               manifests, configurations, and layers as they came (compressed)
//   layers/sha256/HEX/tree         a layer, unpacked once, in overlay's form; HEX is its diffID
//   layers/sha256/HEX/layer.json   what it takes to describe it, and which blobs hold it
//   chains/sha256/HEX              what layers say only together (chain.ts); HEX is the chainID
//   origins/HEX.json               signatures and origin of the image with this manifest (trust/record.ts)
//   host/FINGERPRINT               generations of the virtual image `host`
//   tmp/                           what is not whole yet; emptied when the store is opened, but for
//   tmp/partial-HEX                a blob that has not arrived whole: to be resumed, for a week
//   lock                           who has the store open
//
// Blobs of layers that came from elsewhere are kept, so that what was pulled can be pushed and exported with
// the same digests. Layers that were packed here (an imported folder, a commit) have no blob: packing their
// tree gives the same archive, digest for digest, whenever one is needed.
//
// Run by dockershd as root. The root folder is 0700: set-id programs of images lie in it.

import { lstat, mkdir, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { isAtomicTemporary, writeFileAtomic } from '../../lib/atomic-file.ts';
import { hasErrno } from '../../lib/errors.ts';
import { dockerHub } from '../../lib/text/image-name.ts';
import { type Digest, hexOf } from '../digest.ts';
import { type ImageIndex, mediaTypes } from '../oci.ts';

const partialPrefix = 'partial-';
const partialLifeMs = 7 * 24 * 3600 * 1000;

export interface Layout {
  readonly root: string;
  readonly index: string;
  readonly blobs: string;
  readonly layers: string;
  readonly chains: string;
  readonly host: string;
  readonly origins: string;
  readonly tmp: string;
  readonly lock: string;
  /** Of names that say none: two names that mean the same are one here. */
  readonly defaultRegistry: () => string;
  blob(digest: Digest): string;
  partial(digest: Digest): string;
  layer(diffId: Digest): string;
  chain(chainId: Digest): string;
  /** The unpacked tree of a layer. */
  tree(diffId: Digest): string;
}

export function layoutAt(root: string, defaultRegistry = (): string => dockerHub): Layout {
  const layers = path.join(root, 'layers/sha256');
  const blobs = path.join(root, 'blobs/sha256');
  const chains = path.join(root, 'chains/sha256');
  return {
    root,
    index: path.join(root, 'index.json'),
    blobs,
    layers,
    chains,
    host: path.join(root, 'host'),
    origins: path.join(root, 'origins'),
    tmp: path.join(root, 'tmp'),
    lock: path.join(root, 'lock'),
    defaultRegistry,
    blob: (digest) => path.join(blobs, hexOf(digest)),
    partial: (digest) => path.join(root, 'tmp', `${partialPrefix}${hexOf(digest)}`),
    layer: (diffId) => path.join(layers, hexOf(diffId)),
    chain: (chainId) => path.join(chains, hexOf(chainId)),
    tree: (diffId) => path.join(layers, hexOf(diffId), 'tree'),
  };
}

/** Makes what is missing. Call with the lock held. */
export async function makeLayout(layout: Layout): Promise<void> {
  for (const folder of [
    layout.blobs,
    layout.layers,
    layout.chains,
    layout.host,
    layout.origins,
    layout.tmp,
  ]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  await writeIfMissing(path.join(layout.root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}\n');
  const empty: ImageIndex = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] };
  await writeIfMissing(layout.index, `${JSON.stringify(empty)}\n`);
}

/** What a killed process left half made: in tmp/, and temporary files of atomic writes. */
export async function leftovers(layout: Layout): Promise<string[]> {
  const found = (await readdir(layout.tmp))
    .filter((name) => !name.startsWith(partialPrefix))
    .map((name) => path.join(layout.tmp, name));
  const layers = (await readdir(layout.layers)).map((name) => path.join(layout.layers, name));
  for (const folder of [layout.root, layout.blobs, layout.host, layout.origins, ...layers]) {
    const names = await readdir(folder);
    found.push(...names.filter((name) => isAtomicTemporary(name)).map((name) => path.join(folder, name)));
  }
  return [...found, ...(await stalePartials(layout))];
}

/** Partial blobs that nobody has gone on with for a week. */
export async function stalePartials(layout: Layout, now = Date.now()): Promise<string[]> {
  const stale: string[] = [];
  for (const name of await readdir(layout.tmp)) {
    if (!name.startsWith(partialPrefix)) continue;
    const file = path.join(layout.tmp, name);
    const mtimeMs = await mtimeOf(file);
    if (mtimeMs === undefined) continue;
    if (now - mtimeMs > partialLifeMs || mtimeMs - now > partialLifeMs) stale.push(file);
  }
  return stale;
}

async function mtimeOf(file: string): Promise<number | undefined> {
  try {
    return (await lstat(file)).mtimeMs;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined; // it has just become whole
    throw error;
  }
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

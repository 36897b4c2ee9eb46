// An image of the store taken apart: manifest, configuration and layers that belong together.

import { readJsonBlob } from '../blobs/blobs.ts';
import type { Digest } from '../digest.ts';
import { type LayerInfo, readLayerInfo } from '../layers/layers.ts';
import { type ImageConfig, imageConfig, imageManifest } from '../oci.ts';
import type { Layout } from './layout.ts';

export interface StoredImage {
  readonly digest: Digest;
  readonly configDigest: Digest;
  readonly config: ImageConfig;
  /** Lowest first. */
  readonly layers: readonly LayerInfo[];
}

/** Reads and checks everything that the image is made of. Throws E_IMAGE_BROKEN, naming the part. */
export async function readStoredImage(layout: Layout, digest: Digest): Promise<StoredImage> {
  const manifest = await readJsonBlob(layout, digest, imageManifest);
  const config = await readJsonBlob(layout, manifest.config.digest, imageConfig);
  const layers: LayerInfo[] = [];
  for (const diffId of config.rootfs.diff_ids) layers.push(await readLayerInfo(layout, diffId));
  return { digest, configDigest: manifest.config.digest, config, layers };
}

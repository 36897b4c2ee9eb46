// Checks that every part of an image is in the store and that they belong together: asked before a name may mean it.

import { DockershError } from '../../lib/errors.ts';
import { blobSize, readJsonBlob } from '../blobs/blobs.ts';
import type { Digest } from '../digest.ts';
import { holds } from '../layers/add.ts';
import { findLayerInfo } from '../layers/layers.ts';
import { type Descriptor, imageConfig, imageManifest } from '../oci.ts';
import type { Layout } from './layout.ts';

/** Throws E_IMAGE_BROKEN, naming what is missing or wrong. */
export async function requireWhole(layout: Layout, manifest: Descriptor): Promise<void> {
  const problems = await imageProblems(layout, manifest);
  const [first] = problems;
  if (first === undefined) return;
  throw new DockershError('E_IMAGE_BROKEN', {
    what: `image ${manifest.digest}`,
    why: first,
    hint: 'Get the image again.',
  });
}

/** What is missing or does not belong; sizes and links, not content. */
export async function imageProblems(layout: Layout, manifest: Descriptor): Promise<string[]> {
  try {
    const size = await blobSize(layout, manifest.digest);
    if (size !== manifest.size) return [`its manifest has ${size ?? 'no'} bytes instead of ${manifest.size}`];
    const { config, layers } = await readJsonBlob(layout, manifest.digest, imageManifest);
    const { rootfs } = await readJsonBlob(layout, config.digest, imageConfig);
    if (layers.length !== rootfs.diff_ids.length) {
      const count = `${rootfs.diff_ids.length} layers in the configuration`;
      return [`${layers.length} layers in the manifest, ${count}`];
    }
    const found = await Promise.all(
      rootfs.diff_ids.map((diffId, index) => layerProblem(layout, layers[index], diffId)),
    );
    return found.filter((problem) => problem !== undefined);
  } catch (error) {
    if (error instanceof DockershError && error.code === 'E_IMAGE_BROKEN') return [error.message];
    throw error;
  }
}

async function layerProblem(
  layout: Layout,
  blob: Descriptor | undefined,
  diffId: Digest,
): Promise<string | undefined> {
  const info = await findLayerInfo(layout, diffId);
  if (info === undefined) return `layer ${diffId} is missing`;
  if (blob === undefined || !holds(info, blob.digest)) {
    return `blob ${blob?.digest} is not known to hold layer ${diffId}`;
  }
  if (info.packed && blob.digest === diffId) return undefined;
  const size = await blobSize(layout, blob.digest);
  if (size === undefined) return `blob ${blob.digest} of layer ${diffId} is missing`;
  return size === blob.size ? undefined : `blob ${blob.digest} has ${size} bytes instead of ${blob.size}`;
}

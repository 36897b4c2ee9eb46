// Lists the images of the store by name.

import { DockershError } from '../../lib/errors.ts';
import type { Descriptor } from '../oci.ts';
import { readIndex, refNameOf } from '../store/index-file.ts';
import type { Layout } from '../store/layout.ts';
import { readStoredImage } from '../store/stored-image.ts';
import type { ImageSummary } from '../store/types.ts';

export async function listImages(layout: Layout): Promise<ImageSummary[]> {
  const index = await readIndex(layout);
  const images: ImageSummary[] = [];
  for (const manifest of index.manifests) {
    const name = refNameOf(manifest);
    if (name !== undefined) images.push(await summaryOf(layout, name, manifest));
  }
  return images.sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** A broken image is listed as well, with what is known of it: it must be possible to see and remove it. */
async function summaryOf(layout: Layout, name: string, manifest: Descriptor): Promise<ImageSummary> {
  const known = { name, digest: manifest.digest, virtual: false };
  try {
    const image = await readStoredImage(layout, manifest.digest);
    return {
      ...known,
      layers: image.layers.length,
      sizeBytes: image.layers.reduce((sum, layer) => sum + layer.size, 0),
      createdAt: isoTime(image.config.created),
    };
  } catch (error) {
    if (!(error instanceof DockershError && error.code === 'E_IMAGE_BROKEN')) throw error;
    return { ...known, layers: 0, sizeBytes: null, createdAt: null };
  }
}

function isoTime(text: string | null | undefined): string | null {
  const time = new Date(text ?? Number.NaN);
  return Number.isNaN(time.valueOf()) ? null : time.toISOString();
}

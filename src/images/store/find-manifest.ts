// Finds the manifest that an administrator means: by name, by digest (of the manifest, or of the index that it was
// pulled by), or by id as "image ls" shows it.

import { readFile } from 'node:fs/promises';
import { parseBoundedJson } from '../../lib/bounded-json.ts';
import { DockershError } from '../../lib/errors.ts';
import { blobSize, readJsonBlob } from '../blobs/blobs.ts';
import { type Digest, hexOf } from '../digest.ts';
import { type Descriptor, type ImageIndex, imageManifest, maxDocumentBytes, mediaTypes } from '../oci.ts';
import type { Reference } from '../reference.ts';
import { findNamed, indexDigestsOf, refNameOf } from './index-file.ts';
import type { Layout } from './layout.ts';

/**
 * The manifest that a reference means; undefined where there is none. By digest also one that has lost its
 * names, as long as something keeps it in the store. Throws E_USAGE for an id that begins several images.
 */
export async function manifestOf(
  layout: Layout,
  index: ImageIndex,
  reference: Reference,
): Promise<Descriptor | undefined> {
  if (reference.kind === 'host') return undefined;
  if (reference.kind === 'digest') return byDigest(layout, index, reference.digest);
  const named = findNamed(index, reference.key, layout.defaultRegistry());
  if (named !== undefined || reference.id === undefined) return named;
  return byId(layout, index, reference.id);
}

/** The one name that goes when this is to be removed; undefined: there is none. Throws E_USAGE for several. */
export async function nameToRemove(
  layout: Layout,
  index: ImageIndex,
  text: string,
  reference: Reference,
): Promise<string | undefined> {
  const known = await namesMeant(layout, index, reference);
  if (known.length <= 1) return known[0];
  throw new DockershError('E_USAGE', {
    what: `image '${text}'`,
    why: `it has several names: ${known.join(', ')}`,
    hint: 'Remove the names one by one.',
  });
}

/** The name, where it is one; else all names of what has this digest or id. */
export async function namesMeant(layout: Layout, index: ImageIndex, reference: Reference): Promise<string[]> {
  const own = reference.kind === 'tag' && findNamed(index, reference.key, layout.defaultRegistry());
  const found = own || (await manifestOf(layout, index, reference));
  if (found === undefined) return [];
  const meant = own ? [own] : index.manifests.filter(({ digest }) => digest === found.digest);
  return meant.map(refNameOf).filter((name) => name !== undefined);
}

async function byDigest(layout: Layout, index: ImageIndex, digest: Digest): Promise<Descriptor | undefined> {
  const named =
    index.manifests.find((manifest) => manifest.digest === digest) ??
    index.manifests.find((manifest) => indexDigestsOf(manifest).includes(digest));
  if (named !== undefined) return named;
  const size = await blobSize(layout, digest);
  if (size === undefined || size > maxDocumentBytes) return undefined;
  const bytes = await readFile(layout.blob(digest));
  const parsed = imageManifest.safeParse(jsonOf(bytes));
  if (!parsed.success) return undefined;
  return { mediaType: parsed.data.mediaType ?? mediaTypes.manifest, digest, size };
}

/** An id is the beginning of the manifest's digest, or of the configuration's, which is docker's id. */
async function byId(layout: Layout, index: ImageIndex, id: string): Promise<Descriptor | undefined> {
  const distinct = new Map(index.manifests.map((manifest) => [manifest.digest, manifest]));
  const found: Descriptor[] = [];
  for (const manifest of distinct.values()) {
    const fits = hexOf(manifest.digest).startsWith(id) || (await configHex(layout, manifest)).startsWith(id);
    if (fits) found.push(manifest);
  }
  if (found.length <= 1) return found[0];
  throw new DockershError('E_USAGE', {
    what: `image '${id}'`,
    why: `${found.length} images have an id that begins so`,
    hint: 'Write more of it, or the name.',
  });
}

/** Empty where the image is broken: it can still be named by the digest that it should have. */
async function configHex(layout: Layout, { digest }: Descriptor): Promise<string> {
  try {
    return hexOf((await readJsonBlob(layout, digest, imageManifest)).config.digest);
  } catch (error) {
    if (!(error instanceof DockershError && error.code === 'E_IMAGE_BROKEN')) throw error;
    return '';
  }
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return parseBoundedJson(bytes);
  } catch {
    return undefined; // a layer or something else that is no document
  }
}

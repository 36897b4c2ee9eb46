// Tells by its documents what kind of image a bundle holds. A root filesystem may have files of the same names, so
// it is what they say that counts.

import * as z from 'zod';
import { DockershError } from '../../lib/errors.ts';
import { imageIndex, imageManifest } from '../oci.ts';
import { type Bundle, readMember, readMemberJson } from './bundle.ts';
import { savedImages } from './docker-archive.ts';

/**
 * `oci`: an OCI image layout. `docker`: what docker save has written since 1.10, `legacy` before. `dir`: a folder of
 * skopeo's.
 */
export type BundleKind = 'oci' | 'docker' | 'legacy' | 'dir';

export const repositories = z.record(z.string(), z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)));

const layoutMark = z.looseObject({ imageLayoutVersion: z.string() });

/** Undefined: it is no image's. A layout goes before docker's description of the same, which has no digests. */
export async function kindOf(bundle: Bundle): Promise<BundleKind | undefined> {
  const [mark, index] = [await documentOf(bundle, 'oci-layout'), await documentOf(bundle, 'index.json')];
  if (layoutMark.safeParse(mark).success && imageIndex.safeParse(index).success) return 'oci';
  const manifest = await documentOf(bundle, 'manifest.json');
  const saved = savedImages.safeParse(manifest).data;
  if (saved?.[0] !== undefined && (await bundle.member(saved[0].Config)) !== undefined) return 'docker';
  if (await isDir(bundle, manifest)) return 'dir';
  const named = repositories.safeParse(await documentOf(bundle, 'repositories')).data ?? {};
  const [id] = Object.values(named).flatMap((tags) => Object.values(tags));
  if (id !== undefined && (await bundle.member(`${id}/json`)) !== undefined) return 'legacy';
  return damagedKind(bundle);
}

async function isDir(bundle: Bundle, manifest: unknown): Promise<boolean> {
  if (!imageManifest.safeParse(manifest).success && !imageIndex.safeParse(manifest).success) return false;
  if ((await bundle.member('version')) === undefined) return false;
  return (await readMember(bundle, 'version'))
    .toString('latin1')
    .startsWith('Directory Transport Version: 1.');
}

const rootFolders = ['bin', 'etc', 'lib', 'sbin', 'usr', 'var'];

/** What has the marks of an image, not their content, and nothing of a root filesystem: for the message that says so. */
async function damagedKind(bundle: Bundle): Promise<BundleKind | undefined> {
  for (const folder of rootFolders) if (await bundle.hasFolder(folder)) return undefined;
  if ((await bundle.member('oci-layout')) !== undefined) return 'oci';
  return (await bundle.member('manifest.json')) === undefined ? undefined : 'docker';
}

/** Undefined where there is none that could be read. */
async function documentOf(bundle: Bundle, name: string): Promise<unknown> {
  if ((await bundle.member(name)) === undefined) return undefined;
  try {
    return await readMemberJson(bundle, name);
  } catch (error) {
    if (error instanceof DockershError && error.code === 'E_IMAGE_BROKEN') return undefined;
    throw error;
  }
}

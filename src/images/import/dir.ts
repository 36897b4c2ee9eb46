// Imports a folder of skopeo's ("dir:"): manifest.json, and beside it the blobs by the digits of their digests.

import { parseBoundedJson } from '../../lib/bounded-json.ts';
import type { Transaction } from '../content.ts';
import { type Descriptor, imageIndex, mediaTypes } from '../oci.ts';
import { type Bundle, brokenBundle, readMember } from './bundle.ts';
import { chooseImage, type NamedImage } from './names.ts';
import { importManifest } from './oci-layout.ts';
import type { ImportOptions } from './options.ts';

/** It has no name of its own. */
export async function importDir(
  transaction: Transaction,
  bundle: Bundle,
  name: string | undefined,
  options: ImportOptions,
): Promise<NamedImage<Descriptor>[]> {
  const bytes = await readMember(bundle, 'manifest.json');
  const listed = await transaction.putBlob(bytes, typeOf(bundle, bytes));
  const [chosen] = chooseImage(bundle.path, [{ image: listed, names: [] }], name);
  if (chosen === undefined) throw brokenBundle(bundle, 'it holds no image');
  return [{ ...chosen, image: await importManifest(transaction, asLayout(bundle), listed, options) }];
}

function typeOf(bundle: Bundle, bytes: Buffer): string {
  const value = parseBoundedJson(bytes) as { readonly mediaType?: unknown };
  if (typeof value.mediaType === 'string' && value.mediaType !== '') return value.mediaType;
  const isIndex = 'manifests' in value && imageIndex.safeParse(value).success;
  if (isIndex && 'layers' in value) throw brokenBundle(bundle, 'it is an index and a manifest at once');
  return isIndex ? mediaTypes.index : mediaTypes.manifest;
}

/** Blobs under the names that a layout has for them. Manifests of an index have a name that says so. */
function asLayout(bundle: Bundle): Bundle {
  return {
    ...bundle,
    member: async (name) => {
      const hex = name.slice('blobs/sha256/'.length);
      return (await bundle.member(hex)) ?? (await bundle.member(`${hex}.manifest.json`));
    },
  };
}

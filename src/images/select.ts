// Finds the manifest that an index means for a kind of machine, through indexes in indexes. Whoever asks reads the
// documents, from a registry or an archive.

import { DockershError } from '../lib/errors.ts';
import { isMarkedArtifact } from './artifact.ts';
import { type Descriptor, isIndex, isManifest } from './oci.ts';
import { fittingEntries, type Platform } from './platform.ts';

/** What an entry leads to. */
export type Selectable<Image> =
  | { readonly kind: 'index'; readonly manifests: readonly Descriptor[] }
  | { readonly kind: 'image'; readonly image: Image }
  /** Of the right form, but no image. */
  | { readonly kind: 'other' };

/** Indexes within indexes. */
const mostNested = 4;
/** Documents that one name may have read: no real index needs more than a few. */
const mostRead = 32;

/**
 * The best of the entries for the platform; undefined where there is none. Where no entry says that it is for this
 * platform, the first image that says nothing about it. `load` reads what an entry leads to. Throws E_IMAGE_BROKEN for
 * indexes without end.
 */
export async function selectImage<Image>(
  manifests: readonly Descriptor[],
  platform: Platform,
  load: (entry: Descriptor) => Promise<Selectable<Image>>,
): Promise<Image | undefined> {
  let left = mostRead;
  const search = async (entries: readonly Descriptor[], depth: number): Promise<Image | undefined> => {
    for (const entry of candidates(entries, platform)) {
      left -= 1;
      if (left < 0) return undefined;
      const found = await load(entry);
      if (found.kind === 'image') return found.image;
      if (found.kind === 'index') {
        if (depth === mostNested) throw tooDeep(entry);
        const inner = await search(found.manifests, depth + 1);
        if (inner !== undefined) return inner;
      }
    }
    return undefined;
  };
  return search(manifests, 1);
}

function tooDeep({ digest }: Descriptor): DockershError {
  const why = `it is the ${mostNested + 1}th of indexes that are nested too deeply`;
  return new DockershError('E_IMAGE_BROKEN', { what: `index ${digest}`, why });
}

function candidates(entries: readonly Descriptor[], platform: Platform): Descriptor[] {
  const images = entries.filter(
    (entry) => (isIndex(entry.mediaType) || isManifest(entry.mediaType)) && !isMarkedArtifact(entry),
  );
  const silent = images.filter((entry) => (entry.platform?.architecture ?? '') === '');
  return [...fittingEntries(images, platform), ...silent];
}

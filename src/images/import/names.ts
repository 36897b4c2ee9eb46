// Picks the images of an archive that are meant, and the names that they get. Pure.

import { DockershError } from '../../lib/errors.ts';
import type { Digest } from '../digest.ts';
import { parseReference } from '../reference.ts';

export interface NamedImage<Image> {
  readonly image: Image;
  readonly names: readonly string[];
  /** The digest that it was listed by: an index, where it was taken from one. */
  readonly listed?: Digest;
}

/**
 * With a name: the one image, or of several the one that has it already; it gets that name alone. Without:
 * every image that has a name of its own. Throws E_USAGE where that leaves a choice, or nothing.
 */
export function chooseImage<Image>(
  archive: string,
  images: readonly NamedImage<Image>[],
  name: string | undefined,
): NamedImage<Image>[] {
  if (name === undefined) {
    const usable = images
      .map(({ image, names }) => ({ image, names: names.filter(isWholeName).slice(0, maxNames) }))
      .filter(({ names }) => names.length > 0);
    if (usable.length > 0) return usable;
    throw new DockershError('E_USAGE', {
      what: archive,
      why: images.length === 0 ? 'it holds no image' : 'its image has no name',
      hint: 'Say what to call it: dockershctl image import NAME PATH.',
    });
  }
  const [first] = images;
  if (first !== undefined && images.length === 1) return [{ image: first.image, names: [name] }];
  const wanted = keyOf(name);
  const same = images.find(({ names }) => names.some((candidate) => keyOf(candidate) === wanted));
  if (same !== undefined) return [{ image: same.image, names: [name] }];
  const known = images.flatMap(({ names }) => names).slice(0, maxNames);
  throw new DockershError('E_USAGE', {
    what: archive,
    why: images.length === 0 ? 'it holds no image' : `it holds ${images.length} images, none called ${name}`,
    hint: known.length === 0 ? 'Save one image alone.' : `Name one of ${known.join(', ')}.`,
  });
}

const maxNames = 100;

function keyOf(name: string): string | undefined {
  const reference = parseReference(name);
  return reference?.kind === 'tag' ? reference.key : undefined;
}

/** A bare "latest" or "1.0" is a tag of nothing. */
function isWholeName(name: string): boolean {
  return keyOf(name) !== undefined && name.includes(':');
}

// Finds the entries of "images_trusted" that an image's name falls under. Pure.

import { imageSpellings, isSameImage } from '../lib/text/image-name.ts';
import { globTest, isGlob } from './glob.ts';
import type { ImagesPolicy } from './policy.ts';

export function trustedEntries(
  name: string,
  { imagesTrusted, registry }: Pick<ImagesPolicy, 'imagesTrusted' | 'registry'>,
): ImagesPolicy['imagesTrusted'][number][] {
  return imagesTrusted.filter(({ glob }) => {
    if (!isGlob(glob)) return isSameImage(glob, name, registry);
    const test = globTest(glob);
    return 'test' in test && imageSpellings(name, registry).some((spelling) => test.test(spelling));
  });
}

// Decides whether an image is among those that a user can choose ("images_allowed"). Pure.

import { findsByContent, imageSpellings, isSameImage } from '../../lib/text/image-name.ts';
import { globTest, isGlob } from '../glob.ts';

/** `registry`: of names that say none. */
export function isAllowedImage(image: string, allowed: readonly string[], registry: string): boolean {
  const spellings = imageSpellings(image, registry);
  return allowed.some((glob) => {
    if (!isGlob(glob)) return isSameImage(glob, image, registry);
    const test = globTest(glob);
    // A digest finds its image whatever the name beside it, which would be a way around every glob.
    return 'test' in test && !findsByContent(image) && spellings.some((spelling) => test.test(spelling));
  });
}

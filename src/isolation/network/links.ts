// Names the host's ends of sandboxes' links. The host's rules know them by the prefix.

import { randomInt } from 'node:crypto';
import type { Uid } from '../../lib/values/uid.ts';

export const linkPrefix = 'dsh';

/** Another one each time: an old link of the same user may still be about to go. At most 15 bytes. */
export function linkName(uid: Uid): string {
  const random = randomInt(36 ** 4)
    .toString(36)
    .padStart(4, '0');
  return `${linkPrefix}${uid.toString(36)}-${random}`;
}

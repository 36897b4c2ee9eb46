// Says of a limit that nothing on this host enforces it, and whether the host has what one of them is about.

import { existsSync, readFileSync } from 'node:fs';
import { DockershError } from '../../lib/errors.ts';
import type { LimitKey } from '../../limits/limits.ts';

/** Whether the host swaps at all. A kernel without swap has no such file. */
export const hostSwaps = (): boolean =>
  existsSync('/proc/swaps') && readFileSync('/proc/swaps', 'utf8').trim().includes('\n');

export function unenforceable(key: LimitKey, why: string): DockershError {
  return new DockershError('E_LIMIT_REFUSED', {
    what: `the limit "${key}" can't be enforced`,
    why,
    hint: 'Give the host what is missing, take the limit away in the policy, or write "strict = no".',
  });
}

// Reads how long a running sandbox stays, from what the policy said when it was started. Pure.

import { parseDuration } from '../../lib/text/units.ts';

/** Infinity: for ever. Undefined: not known. */
export function lingerOf(settings: Readonly<Record<string, string>> | undefined): number | undefined {
  const duration = parseDuration(settings?.['linger'] ?? '');
  return duration.ok ? duration.value : undefined;
}

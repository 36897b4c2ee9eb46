// The verb of the admin protocol that tells "dockershctl doctor" about the daemon itself. Pure.

import { z } from 'zod';
import { hostPath, noParams, type Verb } from './admin-fields.ts';

export const healthVerbs = {
  health: {
    params: noParams,
    /** Where the daemon's files are. */
    result: z.strictObject({ config: hostPath, state: hostPath, run: hostPath, libexec: hostPath }),
  },
} as const satisfies Record<string, Verb>;

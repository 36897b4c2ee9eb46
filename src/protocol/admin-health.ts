// The verb of the admin protocol that tells "dockershctl doctor" about the daemon itself. Pure.

import * as z from 'zod';
import { count, hostPath, noParams, policyFault, type Verb } from './admin-fields.ts';

export const healthVerbs = {
  health: {
    params: noParams,
    result: z.strictObject({
      // Where the daemon's files are.
      config: hostPath,
      state: hostPath,
      run: hostPath,
      audit: hostPath,
      libexec: hostPath,
      /** Limits that the policy sets and this host cannot hold. */
      unenforced: z.array(z.strictObject({ key: z.string(), why: z.string() })),
      policyFault: policyFault.nullable(),
      /** Sessions that stand still, because there is no room for their recordings. */
      recordingsWaiting: count,
    }),
  },
} as const satisfies Record<string, Verb>;

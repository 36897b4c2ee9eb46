// The verbs of the admin protocol that are about long operations: what is under way, and its end. Pure.

import * as z from 'zod';
import { adminProgress, noParams, operationId, timestamp, userName, type Verb } from './admin-fields.ts';

const adminOperation = z.strictObject({
  id: operationId,
  /** As it is typed: "image pull". */
  verb: z.string(),
  /** The image, user or suite that it was asked about; null: about none. */
  about: z.string().nullable(),
  /** Who asked, as dockershctl said. */
  by: userName.nullable(),
  startedAt: timestamp,
  /** It runs on without a client. */
  detached: z.boolean(),
  /** ending: it has been cancelled, or its client has gone, and it clears up. The last three only where it was detached. */
  state: z.enum(['running', 'ending', 'done', 'failed', 'cancelled']),
  endedAt: timestamp.nullable(),
  /** Of one that failed. */
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  progress: adminProgress.nullable(),
});
export type AdminOperation = z.infer<typeof adminOperation>;

export const operationVerbs = {
  operations: {
    params: noParams,
    /** Those under way, oldest first, after the last detached ones that have ended since the daemon started. */
    result: z.strictObject({ operations: z.array(adminOperation) }),
  },
  cancel: {
    params: z.strictObject({ id: operationId }),
    /** `ended`: nothing of it is left; otherwise it still clears up. */
    result: z.strictObject({
      id: operationId,
      verb: z.string(),
      about: z.string().nullable(),
      ended: z.boolean(),
    }),
  },
} as const satisfies Record<string, Verb>;

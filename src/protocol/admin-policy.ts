// The verbs of the admin protocol that are about the policy: params and results. Pure.

import * as z from 'zod';
import { Uid } from '../lib/values/uid.ts';
import { shownLimitsShape, usedShape } from '../limits/shapes.ts';
import { bytes, count, noParams, policyFault, userName, type Verb } from './admin-fields.ts';

/** Without file and line: the built-in default. */
const source = z.strictObject({
  text: z.string(),
  file: z.string().optional(),
  line: count.optional(),
  section: z.string().optional(),
});
export type AdminPolicySource = z.infer<typeof source>;

const explanation = z.strictObject({
  key: z.string(),
  /** With everything expanded; null: not set. */
  value: z.string().nullable(),
  /** Who says so; several where "+=" has added to a list. */
  from: z.array(source),
  /** The last one first. */
  overrode: z.array(source),
  problem: z.string().optional(),
});
export type AdminExplanation = z.infer<typeof explanation>;

const refusal = z.strictObject({ code: z.string(), why: z.string() });

export const policyVerbs = {
  'policy.explain': {
    params: z.strictObject({ user: userName }),
    result: z.strictObject({
      user: userName,
      /** False: this host knows no such account. Its groups are then unknown too. */
      account: z.boolean(),
      groups: z.array(z.string()),
      policyFault: policyFault.nullable(),
      /** Why a login would be refused by the policy; null: it would not. */
      refused: refusal.nullable(),
      /** What of the user's own file does not count. */
      problems: z.array(z.string()),
      keys: z.array(explanation),
    }),
  },
  'policy.diff': {
    params: z.strictObject({ user: userName }),
    result: z.strictObject({
      user: userName,
      /** Keys whose value the running sandbox was started with is another; null: not set. */
      changes: z.array(
        z.strictObject({
          key: z.string(),
          running: z.string().nullable(),
          policy: z.string().nullable(),
          applies: z.enum(['now', 'session', 'sandbox']),
        }),
      ),
    }),
  },
  stats: {
    params: noParams,
    result: z.strictObject({
      /** Milliseconds of a clock that never jumps: two answers make a rate. */
      atMs: z.number(),
      host: z.strictObject({
        memoryBytes: bytes,
        cpus: count,
        /** Sum of the limits of running sandboxes; one without counts as all of the host's. */
        promisedBytes: bytes,
        mostSandboxes: count.nullable(),
        mostSessions: count.nullable(),
        mostMemoryBytes: bytes.nullable(),
      }),
      sandboxes: z.array(
        z.strictObject({
          uid: Uid,
          user: userName,
          sessions: count,
          ...shownLimitsShape,
          /** Swap is beyond memoryBytes, and cpuUsec since the sandbox was started. */
          ...usedShape,
          /** What the user keeps on the disk; null: it is not counted. */
          disk: z
            .strictObject({
              bytes,
              limitBytes: bytes.nullable(),
              inodes: count,
              inodesLimit: count.nullable(),
            })
            .nullable(),
          /** Of a private network since the sandbox was started; null: it has none, or is not counted. */
          network: z
            .strictObject({ bytesIn: bytes, bytesOut: bytes, packetsIn: count, packetsOut: count })
            .nullable(),
          /** Percent of the last 10 seconds (PSI); null where the host does not count it. */
          pressure: z.strictObject({ cpu: z.number(), memory: z.number(), io: z.number() }).nullable(),
        }),
      ),
    }),
  },
} as const satisfies Record<string, Verb>;

// The verbs of the admin protocol that are about recordings of sessions: params and results. Pure.

import * as z from 'zod';
import { Uid } from '../lib/values/uid.ts';
import { bytes, count, hostPath, timestamp, userName, type Verb } from './admin-fields.ts';

const sessionId = z.string().min(1).max(64);

const adminRecording = z.strictObject({
  /** Of the session. */
  id: sessionId,
  uid: Uid,
  user: userName,
  startedAt: timestamp,
  /** Null: it goes on. */
  endedAt: timestamp.nullable(),
  sizeBytes: bytes,
  path: hostPath,
  /** Its session stands still, because there is no room for it. */
  waits: z.boolean(),
});
export type AdminRecording = z.infer<typeof adminRecording>;

export const recordingVerbs = {
  'recordings.ls': {
    params: z.strictObject({
      id: sessionId.optional(),
      user: userName.optional(),
      /** Those that began at or after the one, and before the other. */
      since: timestamp.optional(),
      until: timestamp.optional(),
      limit: z.int().min(1).max(10_000).optional(),
    }),
    /** Newest first; `count` and `sizeBytes`: of all that fit, those beyond `limit` included. */
    result: z.strictObject({ recordings: z.array(adminRecording), count, sizeBytes: bytes }),
  },
  'recordings.rm': {
    params: z.strictObject({ ids: z.array(sessionId).min(1).max(10_000) }),
    result: z.strictObject({ removed: z.array(adminRecording) }),
  },
} as const satisfies Record<string, Verb>;

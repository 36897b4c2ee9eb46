// Keeps what has ended of a user's without them, until they are told, and whether a sandbox of theirs runs.
//
//   <state>/users/<uid>/notices.json

import * as z from 'zod';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import { type EndCause, endCauses } from '../../lib/values/causes.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { noticesFile, userFolder } from '../places.ts';
import { KeptFile } from './kept-file.ts';

const work = z.strictObject({ count: z.int().nonnegative(), names: z.array(z.string()) });
export type Work = z.infer<typeof work>;

const ended = z.strictObject({
  at: z.iso.datetime(),
  cause: z.enum(endCauses as [EndCause, ...EndCause[]]),
  /** Null: nobody knows. */
  work: work.nullable(),
  /** Told to those inside; null: nothing. */
  said: z.string().nullable(),
  /** After its last session; null: for ever. */
  lingerMs: z.int().nonnegative().nullable(),
  /** It was not the sandbox that ended, but a session that nobody was at: how, in a word or two. */
  session: z.string().optional(),
});
export type Ended = z.infer<typeof ended>;

export const notice = ended.extend({ isTold: z.boolean() });

const notices = z.strictObject({
  version: z.literal(1),
  /** A sandbox is there, started or last heard of under this boot of the host; `work`: null while nobody knows. */
  running: z
    .strictObject({ boot: z.string(), work: work.nullable(), lingerMs: ended.shape.lingerMs })
    .nullable(),
  /** Newest last. */
  ended: z.array(notice),
});
export type Notices = z.infer<typeof notices>;

export const noNotices: Notices = { version: 1, running: null, ended: [] };
export const mostNotices = 5;

export function keptNotices(state: AbsolutePath): KeptFile<Notices> {
  const place = (uid: Uid): AbsolutePath => noticesFile(userFolder(state, uid));
  return new KeptFile<Notices>({ place, schema: notices, nothing: noNotices, isLasting: false });
}

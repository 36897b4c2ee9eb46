// Fields that several verbs of the admin protocol share. Pure.

import * as z from 'zod';
import { printable } from '../lib/text/printable.ts';
import { AbsolutePath } from '../lib/values/absolute-path.ts';

export const count = z.int().nonnegative();
export const bytes = z.int().nonnegative();
export const timestamp = z.iso.datetime();
export const userName = z.string().min(1).max(256);
// A reference with host, path, tag and digest (src/lib/text/image-name.ts) fits.
export const imageName = z.string().min(1).max(544);
/** A path on the host, absolute because the daemon's working directory is not the caller's. */
export const hostPath = AbsolutePath;
/** One line that users read on their terminals: nothing in it acts on these, and with what is added it is sent whole. */
export const notice = z
  .string()
  .min(1)
  .refine((text) => printable(text) === text, 'must be one line, without characters that act on a terminal')
  .refine((text) => new TextEncoder().encode(text).length <= 700, 'must have at most 700 bytes');
export const noParams = z.strictObject({});
/** Of a long operation, counted from the daemon's start. */
export const operationId = z.int().min(1);

/** What a long verb has done so far; every field but `step` is there when it is known. */
export const adminProgress = z.strictObject({
  step: z.string(),
  /** Which of several things that go on at once; each has steps of its own. */
  id: z.string().optional(),
  files: count.optional(),
  bytes: bytes.optional(),
  totalBytes: bytes.optional(),
});
export type AdminProgress = z.infer<typeof adminProgress>;

/** What a verb takes and gives. */
export interface Verb {
  readonly params: z.ZodObject;
  readonly result: z.ZodObject;
  /** Of a long list, which comes before the result in pieces. */
  readonly part?: z.ZodType;
  /** It may take minutes: it is listed meanwhile and can be cancelled. `detachable`: it can be asked to run on by itself. */
  readonly long?: 'attended' | 'detachable';
}

/** The policy in force is not what the files say: they are broken. */
export const policyFault = z.strictObject({
  /** When the one in force was accepted; null: none is, and every login is refused. */
  since: timestamp.nullable(),
  problems: z.array(z.string()),
});

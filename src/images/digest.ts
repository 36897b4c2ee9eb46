// Content digests, the names of everything in the store. Pure.

import { createHash } from 'node:crypto';
import * as z from 'zod';

/** "sha256:" and 64 hexadecimal digits; the only algorithm that the store uses. */
export const digestSchema = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hexadecimal digits')
  .brand<'Digest'>();
export type Digest = z.infer<typeof digestSchema>;

export function digestOf(bytes: string | Uint8Array): Digest {
  return digestFromHex(createHash('sha256').update(bytes).digest('hex'));
}

export function digestFromHex(hex: string): Digest {
  return digestSchema.parse(`sha256:${hex}`);
}

/** The digits alone: the name of the file or folder. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

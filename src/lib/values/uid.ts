// Names what is a uid of the host, so that the compiler takes no gid, project or number of a range for one. A number
// becomes a uid where it comes in: from the kernel, from files and their names, by the protocol.

import * as z from 'zod';

/** The highest number means "no id" to the kernel. */
export const Uid = z.int().nonnegative().max(0xffff_fffe).brand<'Uid'>();
export type Uid = z.infer<typeof Uid>;

/** The uid that a text consists of, as the names of files do; undefined: it is none. */
export function uidIn(text: string): Uid | undefined {
  return /^\d+$/.test(text) ? Uid.safeParse(Number(text)).data : undefined;
}

// The plan of enabling or disabling an account. It is written down before anything is done: from it and from what is
// there, a later run takes everything back, or completes it.

import * as z from 'zod';
import { AbsolutePath } from '../../lib/values/absolute-path.ts';

const Id = z.int().nonnegative();

export const Plan = z.strictObject({
  account: z.strictObject({
    name: z.string(),
    uid: Id,
    gid: Id,
    home: z.string(),
    /** The login shell before. */
    shell: z.string(),
  }),
  client: z.string(),
  how: z.enum(['shell', 'sshd']),
  sshdConfig: z.string(),
  /** Whose keys let the user in, as the policy said. */
  keys: z.enum(['host', 'inside', 'both']).default('host'),
  /** A group that the account joins, or leaves; null where it is in it anyway. */
  group: z.string().nullable(),
  /** A file of ours in conf.d. */
  policy: z.strictObject({ file: z.string(), text: z.string() }).nullable(),
  files: z.enum(['fresh', 'copy', 'move', 'none']),
  /** The home on the host that gives way to a stub, and where it lies meanwhile. */
  home: z
    .strictObject({
      path: AbsolutePath,
      aside: AbsolutePath,
      /** Of the folder with the user's files, by which it is known wherever it lies. */
      inode: z.string(),
    })
    .nullable(),
  /** What the state had of the account before. */
  before: z.strictObject({ folder: z.boolean(), privateHome: z.boolean(), range: z.boolean() }),
  /** The folder of the native programs. */
  libexec: z.string(),
});
export type Plan = z.infer<typeof Plan>;

/** How an account was enabled, kept until it is disabled. */
export const Enabled = z.strictObject({ version: z.literal(1), plan: Plan, at: z.iso.datetime() });
export type Enabled = z.infer<typeof Enabled>;

export const Journal = z.strictObject({
  version: z.literal(1),
  kind: z.enum(['enable', 'disable']),
  plan: Plan,
  /** Names of the steps that were begun, in order. */
  begun: z.array(z.string()),
  /** Everything is done but the clearing up. */
  committed: z.boolean(),
  /** The process that is working on it: pid and start time. */
  owner: z.string(),
});
export type Journal = z.infer<typeof Journal>;

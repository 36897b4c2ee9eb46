// The message by which sshd's PAM module, or a monitor of the gateway's, asks for a connection's place in its user's sandbox
// (docs/protocol.md, "Connections of sshd's"). Either is root's, but what it passes on has been in strangers' hands. Pure.

import * as z from 'zod';
import { AbsolutePath } from '../lib/values/absolute-path.ts';
import { fieldOf, parseWire, textOf, u64sOf } from '../lib/wire.ts';

export const mostAuthBytes = 4096;

export const JoinRequest = z.strictObject({
  /** The account that sshd has authenticated. */
  user: z.string().min(1).max(256),
  /** Where it comes from, as sshd says (PAM_RHOST): an address, or a name with UseDNS. */
  from: z.string().optional(),
  /** What has authenticated it: SSH_AUTH_INFO_0 of sshd(8), a line for each method. */
  auth: z.instanceof(Buffer).optional(),
  /** How they have come to the gateway, where that is not by ssh. */
  entry: z.literal('web').optional(),
  /** The folder of the program that is run for the user; of the gateway's alone. */
  clientFolder: AbsolutePath.optional(),
  /** When the module was called, CLOCK_MONOTONIC in nanoseconds; 0 when it did not say. */
  startedNs: z.bigint(),
});
export type JoinRequest = z.infer<typeof JoinRequest>;

/** The request, or undefined where the message is no join of our version. */
export function parseJoin(data: Buffer): JoinRequest | undefined {
  const message = parseWire(data);
  if (message?.type !== 'join') return undefined;
  const user = fieldOf(message, 'user');
  const auth = fieldOf(message, 'auth');
  if (user?.includes(0) || (auth !== undefined && auth.length > mostAuthBytes)) return undefined;
  const parsed = JoinRequest.safeParse({
    user: user?.toString('utf8'),
    from: textOf(message, 'from'),
    auth,
    entry: textOf(message, 'gwEntry'),
    clientFolder: textOf(message, 'clientFolder'),
    startedNs: u64sOf(message, 'time')[0] ?? 0n,
  });
  return parsed.success ? parsed.data : undefined;
}

// The verbs of the admin protocol that are about the gateway: params and results. Pure.

import * as z from 'zod';
import { connectionEntries } from '../lib/values/connection-entry.ts';
import { Uid } from '../lib/values/uid.ts';
import { count, noParams, timestamp, userName, type Verb } from './admin-fields.ts';

const connectionId = z.string().min(1).max(64);

/** What its listener says of itself. */
export const adminGateway = z.strictObject({
  pid: count,
  startedAt: timestamp,
  /** As the policy has them; where systemd holds the sockets, they are what its unit says. */
  listen: z.array(z.string()),
  /** Those of these, and of its web page's, that it can't have: another program listens there, say. It goes on trying. */
  unreachable: z.array(z.string()),
  /** Connections that have not logged in yet. */
  waiting: count,
  /** Since it was started: all that came, those of them that have logged in, and those that were refused at once. */
  accepted: count,
  loggedIn: count,
  refused: z.strictObject({
    /** For want of room: of all, and of their address. */
    full: count,
    address: count,
    /** Their address is kept out. */
    penalty: count,
    /** There was no process for them. */
    failed: count,
  }),
  /** Its web page; the counts are part of those above. */
  web: z.strictObject({ listen: z.array(z.string()), accepted: count, loggedIn: count }),
});
export type AdminGateway = z.infer<typeof adminGateway>;

const adminGatewaySession = z.strictObject({
  id: connectionId,
  uid: Uid,
  user: userName,
  startedAt: timestamp,
  from: z.string().nullable(),
  auth: z.string().nullable(),
  entry: z.enum(connectionEntries),
});
export type AdminGatewaySession = z.infer<typeof adminGatewaySession>;

export const gatewayVerbs = {
  'gateway.status': {
    params: noParams,
    /** null: it does not run. `connections`: that are in a sandbox, also those of a listener that has ended. */
    result: z.strictObject({ gateway: adminGateway.nullable(), connections: count }),
  },
  'gateway.sessions': {
    params: z.strictObject({ user: userName.optional() }),
    result: z.strictObject({ sessions: z.array(adminGatewaySession) }),
  },
  'gateway.kick': {
    /** All connections of a user, or one by its id. */
    params: z.strictObject({ user: userName.optional(), id: connectionId.optional() }),
    result: z.strictObject({ ended: z.array(adminGatewaySession) }),
  },
} as const satisfies Record<string, Verb>;

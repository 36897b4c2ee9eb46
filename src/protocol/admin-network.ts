// The verb of the admin protocol that is about private networks: params and results. Pure.

import * as z from 'zod';
import { Uid } from '../lib/values/uid.ts';
import { bytes, count, noParams, timestamp, userName, type Verb } from './admin-fields.ts';

const port = z.int().min(0).max(65_535);
const address = z.string().min(2).max(45);

/** Ports of the host that lead into a sandbox. */
export const adminPublished = z.strictObject({
  protocol: z.enum(['tcp', 'udp']),
  /** Of the host. */
  address,
  first: port,
  last: port,
  /** The first port inside. */
  inside: port,
});

/** A published port that could not be had. */
export const adminMissingPort = z.strictObject({
  protocol: z.enum(['tcp', 'udp']),
  address,
  port,
  /** The kernel's word for it. */
  why: z.string(),
});

const network = z.strictObject({
  uid: Uid,
  user: userName,
  /** The host's end. */
  link: z.string(),
  address4: address.nullable(),
  address6: address.nullable(),
  /** Shared networks that it is in. */
  networks: z.array(z.string()),
  published: z.array(adminPublished),
  /** Those of them that somebody else has. */
  missing: z.array(adminMissingPort),
  /** Into and out of the sandbox since it was started; null: not counted. */
  bytesIn: bytes.nullable(),
  bytesOut: bytes.nullable(),
  packetsIn: count.nullable(),
  packetsOut: count.nullable(),
});
export type AdminNetwork = z.infer<typeof network>;

/** What a private network was kept from. */
const refusal = z.strictObject({
  uid: Uid,
  user: userName,
  /** "tcp", "udp", "icmp", or "other". */
  protocol: z.string(),
  address,
  /** 0: there is none. */
  port,
  /** Packets, since the sandbox was started or the daemon was. */
  count,
  lastAt: timestamp,
});
export type AdminRefusal = z.infer<typeof refusal>;

export const networkVerbs = {
  network: {
    params: noParams,
    result: z.strictObject({
      /** Of who is given no other by the policy. */
      default: z.enum(['private', 'none']),
      /** Blocks that private networks are in; none before the first. */
      pools: z.array(z.string()),
      /** Networks of this host's own bridges (of containers, of virtual machines), which private networks do not reach. */
      bridged: z.array(z.string()),
      /** Why private networks lack something that they could have, IPv6 for instance. */
      lacks: z.array(z.string()),
      users: z.array(network),
      /** The latest first. */
      refused: z.array(refusal),
    }),
  },
} as const satisfies Record<string, Verb>;

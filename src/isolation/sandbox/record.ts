// The record of a sandbox, written once, at its start, in a small file beside its control socket. A later daemon
// knows the sandbox again by it.

import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { Uid } from '../../lib/values/uid.ts';
import { limitsOf, shownLimits } from '../../limits/limits.ts';
import { limitsShape, shownLimitsShape } from '../../limits/shapes.ts';
import { cgroupName } from '../cgroup/host.ts';
import type { Limits, SandboxSpec } from '../engine.ts';
import { homeInside } from './home-inside.ts';

const KnownLimits = z.strictObject(limitsShape);

/** What has to be known of a running sandbox besides what its supervisor says. */
export const SandboxRecord = z.strictObject({
  uid: Uid,
  user: z.string(),
  home: z.string(),
  image: z.string(),
  imageDigest: z.string(),
  layers: z.array(z.string()),
  env: z.array(z.string()),
  /** The image's; absent: none. */
  workingDir: z.string().optional(),
  /** As SandboxImage has it. */
  imageUser: z
    .union([
      z.strictObject({
        uid: z.int(),
        gid: z.int(),
        groups: z.array(z.int()),
        name: z.string(),
        home: z.string(),
      }),
      z.strictObject({ why: z.string() }),
    ])
    .optional(),
  ...shownLimitsShape,
  /** All that are in force; absent: not certain, or of a version that has others. */
  limits: KnownLimits.optional().catch(undefined),
  settings: z.record(z.string(), z.string()).optional(),
  /** null: for ever. */
  lingerMs: z.number().nullable(),
  /** Absent: of an earlier version. */
  stopGraceMs: z.number().optional(),
  /** Absent: the usual name (cgroupName()). */
  cgroup: z.string().optional(),
  /** Whether its supervisor knows ssh connections; absent: of an earlier version. */
  joins: z.literal(true).optional(),
  /** As SandboxSpec has it. */
  notice: z.string().optional(),
  /** Absent: of an earlier version, which knew no private ones. */
  network: z.enum(['none', 'host', 'private']).optional(),
  /** Of a private network. */
  link: z
    .strictObject({
      name: z.string(),
      addresses: z.array(z.string()),
      resolver: z.string(),
      pools: z.array(z.string()),
      mtu: z.int(),
      index: z.int(),
    })
    .optional(),
  hostname: z.string().optional(),
  startedAt: z.string(),
});
export type SandboxRecord = z.infer<typeof SandboxRecord>;

/** Whether these are in force, as far as anybody knows for certain. */
export function hasLimits({ limits: known }: SandboxRecord, limits: Limits): boolean {
  return isDeepStrictEqual(known, limitsOf(limits));
}

/** The name of its cgroup. */
export function cgroupOf({ uid, user, cgroup }: SandboxRecord): string {
  return cgroup ?? cgroupName(uid, user);
}

/** `cgroup`: where it is not the usual one. */
export function recordOf(spec: SandboxSpec, cgroup?: string): SandboxRecord {
  return {
    uid: spec.user.uid,
    user: spec.user.name,
    home: homeInside(spec.user),
    image: spec.image.name,
    imageDigest: spec.image.digest,
    layers: spec.image.layers.map((layer) => layer.path),
    env: [...spec.image.env],
    ...(spec.image.workingDir === undefined ? {} : { workingDir: spec.image.workingDir }),
    ...(spec.image.user === undefined ? {} : { imageUser: storedUser(spec.image.user) }),
    ...shownLimits(spec),
    limits: limitsOf(spec),
    settings: { ...spec.settings },
    lingerMs: Number.isFinite(spec.lingerMs) ? spec.lingerMs : null,
    stopGraceMs: spec.stopGraceMs,
    ...(cgroup === undefined ? {} : { cgroup }),
    ...(spec.notice === undefined ? {} : { notice: spec.notice }),
    joins: true,
    network: spec.network.kind,
    ...(spec.link === undefined ? {} : { link: storedLink(spec.link), hostname: spec.hostname }),
    startedAt: new Date().toISOString(),
  };
}

function storedLink(link: NonNullable<SandboxSpec['link']>): SandboxRecord['link'] {
  return { ...link, addresses: [...link.addresses], pools: [...link.pools] };
}

function storedUser(user: NonNullable<SandboxSpec['image']['user']>): SandboxRecord['imageUser'] {
  return 'why' in user ? { why: user.why } : { ...user, groups: [...user.groups] };
}

/** Other limits are in force by now. `settings`: what the policy says of them. */
export function withLimits(
  record: SandboxRecord,
  limits: Limits,
  settings: Readonly<Record<string, string>>,
): SandboxRecord {
  return {
    ...record,
    ...shownLimits(limits),
    limits: limitsOf(limits),
    settings: { ...record.settings, ...settings },
  };
}

/** The kernel took some of other limits, and refused the rest. */
export function withoutLimits(record: SandboxRecord): SandboxRecord {
  const { limits: _, ...rest } = record;
  return rest;
}

/** Whether these settings are among them. */
export function hasAll(
  known: Readonly<Record<string, string>> | undefined,
  settings: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(settings).every(([key, value]) => known?.[key] === value);
}

// The verbs of the admin protocol that are about what users have changed: params and results. Pure.

import * as z from 'zod';
import { Uid } from '../lib/values/uid.ts';
import { bytes, count, imageName, userName, type Verb } from './admin-fields.ts';

/** As docker diff has it: added, changed, deleted. */
const change = z.strictObject({ kind: z.enum(['A', 'C', 'D']), path: z.string() });
export type AdminChange = z.infer<typeof change>;

const snapshotName = z.string().min(1).max(64);

const adminSnapshot = z.strictObject({
  name: snapshotName,
  createdAt: z.string(),
  message: z.string().nullable(),
  /** What the layer is made on. */
  image: z.string().nullable(),
  imageDigest: z.string().nullable(),
  sizeBytes: bytes,
  files: count,
});
export type AdminSnapshot = z.infer<typeof adminSnapshot>;

const user = z.strictObject({ user: userName });
const label = z.string().max(256);
/** Whether a running sandbox stands still while its files are read; default: yes. */
const pause = z.boolean().optional();
/** How long it stood still; null where none ran, or it was not wanted. */
const pausedMs = count.nullable();

/** `upgraded`: it has another one from the next start on. `running`: and keeps what it has until then. */
const upgrade = z.strictObject({
  user: userName,
  image: imageName,
  from: z.string().nullable(),
  to: z.string(),
  upgraded: z.boolean(),
  running: z.boolean(),
});

const upgradePlan = z.strictObject({
  user: userName,
  uid: Uid,
  /** Null where there is none, with the reason in `why`; so are `from` and `to`. */
  image: imageName.nullable(),
  from: z.string().nullable(),
  to: z.string().nullable(),
  /** What "upgrade.back" would put the layer on. */
  before: z.string().nullable(),
  upgraded: z.boolean(),
  running: z.boolean(),
  /** Files of the user's that hide what has changed between the images; the first of them; whether the packages' database is one. */
  shadowed: z.strictObject({ count, examples: z.array(z.string()), packages: z.boolean() }),
  why: z.string().nullable(),
});

export const userVerbs = {
  diff: {
    long: 'attended',
    params: user,
    part: z.array(change),
    result: z.strictObject({ user: userName, changes: count }),
  },
  commit: {
    long: 'detachable',
    params: z.strictObject({
      user: userName,
      name: imageName,
      author: label.optional(),
      message: z.string().max(4096).optional(),
      /** Lines as in a Dockerfile: "ENV NAME=value". */
      changes: z.array(z.string().max(16_384)).max(256).optional(),
      pause,
    }),
    result: z.strictObject({
      user: userName,
      name: imageName,
      digest: z.string(),
      baseDigest: z.string(),
      /** The new layer's diffID. */
      layer: z.string(),
      /** Of the new layer, uncompressed. */
      sizeBytes: bytes,
      files: count,
      /** What no image can hold, a folder with all that is in it as one; the first of it by name and reason. */
      leftOut: z.strictObject({ count, examples: z.array(z.string()) }),
      pausedMs,
    }),
  },
  'snapshot.create': {
    long: 'detachable',
    params: z.strictObject({
      user: userName,
      name: snapshotName.optional(),
      message: label.optional(),
      pause,
    }),
    result: z.strictObject({ user: userName, snapshot: adminSnapshot, pausedMs }),
  },
  'snapshot.ls': {
    params: user,
    /** Newest first. */
    result: z.strictObject({ user: userName, snapshots: z.array(adminSnapshot) }),
  },
  'snapshot.rm': {
    long: 'attended',
    params: z.strictObject({ user: userName, name: snapshotName }),
    result: z.strictObject({ user: userName, name: snapshotName }),
  },
  rollback: {
    long: 'attended',
    /** Without a name, to the newest snapshot. */
    params: z.strictObject({ user: userName, name: snapshotName.optional() }),
    /** `saved`: the snapshot that holds what was there before; null where there was nothing. */
    result: z.strictObject({
      user: userName,
      snapshot: adminSnapshot,
      stopped: z.boolean(),
      saved: adminSnapshot.nullable(),
    }),
  },
  reset: {
    long: 'attended',
    /** `save`: keep what was there as a snapshot. */
    params: z.strictObject({ user: userName, save: z.boolean() }),
    result: z.strictObject({ user: userName, stopped: z.boolean(), saved: adminSnapshot.nullable() }),
  },
  'upgrade.plan': {
    long: 'attended',
    /** Those named, else everybody with a layer: of a group, or whose image this is. */
    params: z.strictObject({
      users: z.array(userName).max(10_000).optional(),
      group: userName.optional(),
      image: imageName.optional(),
    }),
    /** What "upgrade" would do for each. */
    result: z.strictObject({ users: z.array(upgradePlan) }),
  },
  upgrade: { params: user, result: upgrade },
  /** Back to the image before the last upgrade. */
  'upgrade.back': { params: user, result: upgrade },
} as const satisfies Record<string, Verb>;

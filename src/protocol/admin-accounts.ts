// The verbs of the admin protocol that set up and take away an account's part of the state, for "dockershctl user".
// Pure.

import * as z from 'zod';
import { Uid } from '../lib/values/uid.ts';
import { bytes, count, hostPath, imageName, noParams, userName, type Verb } from './admin-fields.ts';

const user = z.strictObject({ user: userName });

const accountFolder = z.strictObject({
  uid: Uid,
  /** The account that it is kept for; null: nobody's yet. */
  owner: userName.nullable(),
  /** The account that has the uid now; null: none has. */
  account: userName.nullable(),
  /** There is a sandbox. */
  running: z.boolean(),
});
export type AccountFolder = z.infer<typeof accountFolder>;

export const accountVerbs = {
  'account.look': {
    params: user,
    /** What there is of the account: its folder in the state, the private home, its range of ids. */
    result: z.strictObject({
      user: userName,
      uid: Uid,
      folder: z.boolean(),
      privateHome: z.boolean(),
      /** Why a private home can't be where the policy wants it (home_root). */
      homeProblem: z.string().nullable(),
      range: z.boolean(),
      /** It starts from the rescue image because an administrator said so. */
      rescue: z.boolean(),
      /** The policy gives it a shell of the host instead. */
      exempt: z.boolean(),
      /** What the policy gives; null where it gives nothing. */
      policy: z
        .strictObject({
          image: imageName,
          home: z.enum(['private', 'host']),
          network: z.string(),
          /** Whose keys let the user in by ssh: the host's file, that inside, or both. */
          keys: z.enum(['host', 'inside', 'both']),
        })
        .nullable(),
    }),
  },
  'account.prepare': {
    long: 'attended',
    /** Reserves the range, and makes the private home of `source`, which `move` takes away where it can. */
    params: z.strictObject({
      user: userName,
      files: z.enum(['fresh', 'copy', 'move']),
      source: hostPath.optional(),
    }),
    /** `renamed`: the source is gone, it is the private home now. */
    result: z.strictObject({
      user: userName,
      renamed: z.boolean(),
      entries: count,
      bytes,
      skippedDevices: count,
      skippedMounts: count,
    }),
  },
  'account.giveBack': {
    long: 'attended',
    /** Makes `target` of the private home. */
    params: z.strictObject({ user: userName, target: hostPath }),
    /** `renamed`: the private home is no more; otherwise it was copied. */
    result: z.strictObject({ user: userName, renamed: z.boolean() }),
  },
  'account.rescue': {
    params: z.strictObject({ user: userName, on: z.boolean() }),
    /** `image`: the rescue image that the policy names. `stopped`: there was a sandbox. */
    result: z.strictObject({
      user: userName,
      on: z.boolean(),
      image: imageName.nullable(),
      stopped: z.boolean(),
    }),
  },
  'account.discard': {
    long: 'attended',
    /** What to take away: the private home, the whole folder, the range. */
    params: z.strictObject({ user: userName, home: z.boolean(), folder: z.boolean(), range: z.boolean() }),
    result: user,
  },
  'account.folders': {
    params: noParams,
    /** What the state holds, by uid. */
    result: z.strictObject({ folders: z.array(accountFolder) }),
  },
  'account.forget': {
    long: 'attended',
    /** By the name or uid that a folder was kept for. `keepHome`: a new folder for the private home. */
    params: z.strictObject({ user: userName, keepHome: hostPath.optional(), force: z.boolean() }),
    /** `removed`: what there was, in words. `keptHome`: where it is. */
    result: z.strictObject({
      user: userName,
      uid: Uid,
      stopped: z.boolean(),
      removed: z.array(z.string()),
      keptHome: hostPath.nullable(),
    }),
  },
  'account.export': {
    long: 'attended',
    /** `path`: the file to write, or a pipe that somebody reads from. `stop`: the sandbox; else it is paused, or not that. */
    params: z.strictObject({ user: userName, path: hostPath, stop: z.boolean(), pause: z.boolean() }),
    /** `leftOut`: what no archive can hold. */
    result: z.strictObject({
      user: userName,
      path: hostPath,
      sizeBytes: bytes,
      leftOut: z.strictObject({ count, examples: z.array(z.string()) }),
      pausedMs: count.nullable(),
      stopped: z.boolean(),
    }),
  },
  'account.import': {
    long: 'attended',
    /** `path`: a file, or a pipe, to be written to from the first progress on. `replace`: where what is there goes first. */
    params: z.strictObject({ path: hostPath, as: userName.optional(), replace: hostPath.optional() }),
    result: z.strictObject({
      user: userName,
      uid: Uid,
      /** The account on the host where the archive was made. */
      from: z.strictObject({ name: z.string(), uid: z.int().nonnegative() }),
      files: count,
      bytes,
      /** That the layer is made on, and whether this host has it. */
      image: z.string().nullable(),
      imageThere: z.boolean(),
      stopped: z.boolean(),
      /** Where what was there before went. */
      saved: hostPath.nullable(),
    }),
  },
  'account.rename': {
    /** The account that a folder was kept for, and the one with the same uid that it is for from now on. */
    params: z.strictObject({ user: userName, to: userName }),
    result: z.strictObject({ user: userName, uid: Uid, stopped: z.boolean() }),
  },
} as const satisfies Record<string, Verb>;

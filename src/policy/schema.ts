// Every policy key: its type, default, meaning and when a change takes effect. The reference table
// (docs/policy.md), the example file's test, validation and the types all come from here. Pure.

import type * as z from 'zod';
import { hostImageName } from '../lib/text/image-name.ts';
import { diskKeys } from './keys/disk.ts';
import { filterKeys } from './keys/filter.ts';
import { gatewayKeys } from './keys/gateway.ts';
import { hostKeys } from './keys/host.ts';
import { imageKeys } from './keys/images.ts';
import { keptKeys } from './keys/kept.ts';
import { limitKeys, limitNames } from './keys/limits.ts';
import { networkKeys } from './keys/network.ts';
import { recordingKeys } from './keys/recording.ts';
import { sandboxKeys } from './keys/sandbox.ts';
import { sessionKeys } from './keys/session.ts';
import { type KeyCheck, type KeyDoc, type KeySpec, sectionSchema } from './section-schema.ts';
import { duration, durationOrForever, imageName, oneOf, sizeLimit } from './values/basic.ts';
import { imageGlobs, wordList } from './values/sandbox.ts';

const ownKeys = {
  image: {
    type: imageName,
    defaultText: undefined,
    values: 'an image name',
    applies: 'sandbox',
    expands: 'path',
    user: 'images',
    doc: `The image whose files the sandbox starts from: one that "dockershctl image ls" shows. "${hostImageName}" is always there: the host's own programs, read-only. A user to whom the policy gives no image cannot log in.`,
    example: 'lab/base:2',
  },
  on_image_change: {
    type: oneOf('keep', 'reset', 'upgrade'),
    defaultText: 'keep',
    values: 'keep, upgrade, reset',
    applies: 'sandbox',
    user: 'free',
    doc: 'What a new start does when the name of the image has come to mean another image since the user\'s layer was begun. keep: the sandbox stays with the image it has until "dockershctl upgrade USER". upgrade: it takes the new image, with the user\'s changes on top, as that verb does; "dockershctl upgrade --rollback" goes back. reset: it takes the new image, and the user\'s layer begins anew; the old one is kept as a snapshot, and the home is not touched.',
    example: 'upgrade',
  },
  ...limitKeys,
  strict: {
    type: oneOf('yes', 'no'),
    defaultText: 'yes',
    values: 'yes, no',
    applies: 'sandbox',
    doc: `What happens where this host cannot enforce one of the limits ${limitNames} because its kernel lacks a controller, does not count swap or cannot limit the disk, or disk and inodes because nothing there can hold them, or where one of its devices, or a port that it publishes, is not to be had. yes: logins are refused. no: they go on without it. dockershd names such limits in its log when it starts, and whenever the policy is edited.`,
    example: 'no',
  },
  tmp_size: {
    type: sizeLimit(1024 ** 2),
    defaultText: '1G',
    values: 'a size of at least 1M, or none',
    applies: 'sandbox',
    user: 'most',
    doc: 'Size of /tmp. It is kept in memory and counts towards "memory", and is never more than three eighths of that, so that there is room for programs when it and /dev/shm are full. none: "memory" alone bounds it, and who fills it can run nothing any more.',
    example: '256M',
  },
  home: {
    type: oneOf('private', 'host'),
    defaultText: 'private',
    values: 'private, host',
    applies: 'sandbox',
    doc: "private: a home of the sandbox's own, kept under the state folder. host: the home folder of the host; programs of the host that read settings there (systemd, cron, mail delivery) then read what the user wrote from inside.",
    example: 'host',
  },
  linger: {
    type: durationOrForever,
    defaultText: '10m',
    values: 'a duration of up to 24d, or forever',
    applies: 'sandbox',
    user: 'most',
    doc: 'How long the sandbox goes on after its last session has ended. 0 stops it at once.',
    example: '8h',
  },
  background: {
    type: oneOf('keep', 'kill'),
    defaultText: 'keep',
    values: 'keep, kill',
    applies: 'session',
    user: 'free',
    doc: 'What happens to processes that a session leaves behind (tmux, nohup). keep: they go on as long as the sandbox does. kill: they are ended with the session; those that have begun a session of their own (setsid) with the last session of the user.',
    example: 'kill',
  },
  hangup_grace: {
    type: duration(600_000),
    defaultText: '5s',
    values: 'a duration of up to 10m',
    applies: 'session',
    user: 'most',
    doc: 'Time between SIGHUP and SIGKILL for the program of a session whose connection is gone, and with background = kill for what it leaves behind.',
    example: '30s',
  },
  stop_grace: {
    type: duration(600_000),
    defaultText: '2s',
    values: 'a duration of up to 10m',
    applies: 'sandbox',
    doc: 'Time between SIGTERM and SIGKILL for the processes of a sandbox that is being stopped.',
    example: '10s',
  },
} as const satisfies Record<string, KeySpec>;

const boundKeys = {
  ...ownKeys,
  ...networkKeys,
  ...diskKeys,
  ...sandboxKeys,
  ...filterKeys,
  ...sessionKeys,
  ...keptKeys,
  ...recordingKeys,
} as const;

/** What "user_may_set" may name. */
const settable = [
  ...Object.entries<KeySpec>(boundKeys).flatMap(([key, { user }]) => (user === undefined ? [] : [key])),
  'env',
];

const userKeys = {
  ...boundKeys,
  user_may_set: {
    type: wordList(settable),
    defaultText: 'none',
    values: 'a list of keys, env for variables, or none',
    applies: 'session',
    list: true,
    doc: `What users may set in \`~/.dockersh.ini\` in their home, where lines are \`key = value\` without a section. The file is read as data, with the user's rights, at each login. What it says counts up to what the policy gives: a limit can be lowered and not raised, "nice" raised and not lowered, and an image must be one of "images_allowed". What does not count is told on the user's terminal, and never stops a login. The keys are: ${settable.join(', ')}.`,
    example: 'shell umask timezone env memory',
  },
  images_allowed: {
    type: imageGlobs,
    defaultText: 'none',
    values: 'a list of image names and globs, or none',
    applies: 'session',
    list: true,
    doc: 'The images that a user can choose from by "@image use", or in their file where they may set "image": names or globs. However a name is written, it is the same ("debian" is "docker.io/library/debian:latest"). A digest or an id is never allowed by a glob.',
    example: 'lab/* base@sha256:*',
  },
} as const satisfies Record<string, KeySpec>;

const userSection = sectionSchema(userKeys);

/** The name of a key of [defaults] and [user:NAME] as written in the file. */
export type PolicyKey = keyof typeof userKeys;
export const policyKeys: readonly PolicyKey[] = userSection.keys;
export const describePolicyKey: (key: PolicyKey) => KeyDoc = userSection.describe;
export const isPolicyKey: (key: string) => key is PolicyKey = userSection.has;
/** The value of a key's text once nothing in it is left to expand, or what is wrong with it. */
export const checkPolicyValue: (key: PolicyKey, text: string) => KeyCheck = userSection.check;
/** What the keys are without any file. */
export const builtinTexts: Readonly<Partial<Record<PolicyKey, string>>> = userSection.defaultTexts();

/** One section's settings: text in, values out. Unknown keys are refused. */
export const PolicySection = userSection.schema;
export type PolicySection = z.output<typeof PolicySection>;

/** The value that a key has after validation. */
export type PolicyValue<K extends PolicyKey> = z.output<(typeof userKeys)[K]['type']>;

/** The defaults that apply when the file says nothing. */
export const builtinDefaults = (): PolicySection => userSection.defaults();

/** [images], [host] and [gateway]: their keys, and what is asked of them. */
export const imagesSection = sectionSchema(imageKeys);
export type ImagesSection = z.output<typeof imagesSection.schema>;

export const hostSection = sectionSchema(hostKeys);
export type HostSection = z.output<typeof hostSection.schema>;

export const gatewaySection = sectionSchema(gatewayKeys);
export type GatewaySection = z.output<typeof gatewaySection.schema>;

/** A key that has a built-in default always has a value. */
export function required<T>(
  value: T | undefined,
  key: PolicyKey | keyof ImagesSection | keyof HostSection,
): T {
  if (value === undefined) throw new Error(`policy key ${key} has no built-in default`);
  return value;
}

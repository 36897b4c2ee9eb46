// Every policy key: its type, default, meaning and when a change takes effect. The reference table
// (docs/policy.md), the example file's test, validation and the types all come from here. Pure.

import { z } from 'zod';
import { hostImageName, parseImageName } from '../lib/image-name.ts';
import { nearest } from '../lib/nearest.ts';
import { formatDuration, formatSize, parseDuration, parseSize, type Quantity } from '../lib/units.ts';

/** `sandbox`: when the user's sandbox next starts. `session`: at the next login. */
export type AppliesAt = 'sandbox' | 'session';

interface KeySpec {
  readonly type: z.ZodType<unknown, string>;
  /** As an administrator would write it; undefined: no default. */
  readonly defaultText: string | undefined;
  /** The accepted values, for the reference table. */
  readonly values: string;
  readonly applies: AppliesAt;
  readonly doc: string;
  /** A value other than the default, for the example file. */
  readonly example: string;
}

type Check<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** A zod type for INI text out of a function that names what is wrong. */
const text = <T>(check: (input: string) => Check<T>) =>
  z.string().transform((input, context) => {
    const result = check(input);
    if (result.ok) return result.value;
    context.issues.push({ code: 'custom', input, message: result.problem });
    return z.NEVER;
  });

interface Range {
  readonly min: number;
  readonly max?: number;
  readonly format: (value: number) => string;
}

function inRange(quantity: Quantity, { min, max = Number.MAX_SAFE_INTEGER, format }: Range): Quantity {
  if (!quantity.ok) return quantity;
  if (quantity.value < min) return { ok: false, problem: `is too little: at least ${format(min)}` };
  if (quantity.value > max) return { ok: false, problem: `is too much: at most ${format(max)}` };
  return quantity;
}

/** A limit that "none" takes away. */
const limit = (check: (input: string) => Quantity) =>
  text<number | null>((input) => (input === 'none' ? { ok: true, value: null } : check(input)));

const sizeLimit = (min: number) => limit((input) => inRange(parseSize(input), { min, format: formatSize }));

/** Longest time a timer of the daemon can count: 2^31 - 1 ms is a little under 25 days. */
const longestMs = 24 * 86_400_000;

const duration = (max: number) =>
  text<number>((input) => inRange(parseDuration(input), { min: 0, max, format: formatDuration }));

const durationOrForever = text<number>((input) =>
  input === 'forever'
    ? parseDuration(input)
    : inRange(parseDuration(input), {
        min: 0,
        max: longestMs,
        format: (ms) => `${formatDuration(ms)}, or forever`,
      }),
);

/** Decimal number above 0; cgroups count CPU time in no smaller parts than 1 ms of 100 ms. */
const cpuLimit = limit((input) =>
  /^\d{1,5}(\.\d{1,6})?$/.test(input)
    ? inRange({ ok: true, value: Number(input) }, { min: 0.01, format: String })
    : { ok: false, problem: 'is not a number of CPUs such as 2 or 0.5' },
);

/** PID_MAX_LIMIT of 64-bit kernels, see proc_sys_kernel(5) on pid_max. */
const mostPids = 4_194_304;

const pidLimit = limit((input) =>
  /^\d{1,9}$/.test(input)
    ? inRange({ ok: true, value: Number(input) }, { min: 16, max: mostPids, format: String })
    : { ok: false, problem: 'is not a whole number' },
);

const image = text<string>((input) =>
  parseImageName(input) === undefined
    ? { ok: false, problem: 'is not the name of an image, such as host, base or lab/base:2' }
    : { ok: true, value: input },
);

const shell = text<string>((input) =>
  input.length < 4096 && /^(\/[^/\0]+)+$/.test(input) && !/\/\.{1,2}(\/|$)/.test(input)
    ? { ok: true, value: input }
    : { ok: false, problem: 'is not an absolute path without "." and ".."' },
);

const oneOf = <const T extends string>(...values: readonly T[]) =>
  text<T>((input) => {
    const value = values.find((candidate) => candidate === input);
    if (value !== undefined) return { ok: true, value };
    const guess = nearest(input, values);
    const hint = guess === undefined ? '' : `; did you mean ${guess}?`;
    return { ok: false, problem: `is none of: ${values.join(', ')}${hint}` };
  });

const keySpecs = {
  image: {
    type: image,
    defaultText: undefined,
    values: 'an image name',
    applies: 'sandbox',
    doc: `The image whose files the sandbox starts from: one that "dockershctl image ls" shows. "${hostImageName}" is always there: the host's own programs, read-only. A user for whom no image results cannot log in.`,
    example: 'lab/base:2',
  },
  shell: {
    type: shell,
    defaultText: undefined,
    values: 'an absolute path inside the image',
    applies: 'session',
    doc: "The login shell inside. Without this key: the user's shell in /etc/passwd unless that is dockersh, else /bin/bash, else /bin/sh.",
    example: '/bin/zsh',
  },
  memory: {
    type: sizeLimit(16 * 1024 ** 2),
    defaultText: '2G',
    values: 'a size of at least 16M, or none',
    applies: 'sandbox',
    doc: 'Memory of all processes of the sandbox together, /tmp and /dev/shm included. Above it, the kernel ends processes of this sandbox and no others.',
    example: '8G',
  },
  cpus: {
    type: cpuLimit,
    defaultText: 'none',
    values: 'a number of at least 0.01, or none',
    applies: 'sandbox',
    doc: 'CPU time, in CPUs: 0.5 is half of one, 2 is two whole ones.',
    example: '2',
  },
  pids: {
    type: pidLimit,
    defaultText: '1024',
    values: `a whole number from 16 to ${mostPids}, or none`,
    applies: 'sandbox',
    doc: 'Processes and threads of the sandbox together. A fork bomb ends here.',
    example: '256',
  },
  tmp_size: {
    type: sizeLimit(1024 ** 2),
    defaultText: '1G',
    values: 'a size of at least 1M, or none',
    applies: 'sandbox',
    doc: 'Size of /tmp. It is kept in memory and counts towards "memory", which alone bounds it with none.',
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
  network: {
    type: oneOf('none', 'host'),
    defaultText: 'none',
    values: 'none, host',
    applies: 'sandbox',
    doc: "none: a loopback of the sandbox's own and no other way out. host: the host's network, its loopback services included.",
    example: 'host',
  },
  linger: {
    type: durationOrForever,
    defaultText: '10m',
    values: 'a duration of up to 24d, or forever',
    applies: 'sandbox',
    doc: 'How long the sandbox goes on after its last session has ended. 0 stops it at once.',
    example: '8h',
  },
  background: {
    type: oneOf('keep', 'kill'),
    defaultText: 'keep',
    values: 'keep, kill',
    applies: 'session',
    doc: 'What happens to processes that a session leaves behind (tmux, nohup). keep: they go on as long as the sandbox does. kill: they are ended with the session.',
    example: 'kill',
  },
  hangup_grace: {
    type: duration(600_000),
    defaultText: '5s',
    values: 'a duration of up to 10m',
    applies: 'session',
    doc: 'Time between SIGHUP and SIGKILL for the processes of a session whose connection is gone.',
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

/** The name of a key as written in the file. */
export type PolicyKey = keyof typeof keySpecs;

export const policyKeys = Object.keys(keySpecs) as readonly PolicyKey[];

export function isPolicyKey(name: string): name is PolicyKey {
  return Object.hasOwn(keySpecs, name);
}

/** What the reference and the example say about a key. */
export type PolicyKeyDoc = Omit<KeySpec, 'type'>;

export function describePolicyKey(key: PolicyKey): PolicyKeyDoc {
  return keySpecs[key];
}

type SectionShape = { [K in PolicyKey]: z.ZodOptional<(typeof keySpecs)[K]['type']> };

/** One section's settings: text in, values out. Unknown keys are refused. */
export const PolicySection = z.strictObject(
  Object.fromEntries(policyKeys.map((key) => [key, keySpecs[key].type.optional()])) as SectionShape,
);
export type PolicySection = z.output<typeof PolicySection>;

/** The value that a key has after validation. */
export type PolicyValue<K extends PolicyKey> = z.output<(typeof keySpecs)[K]['type']>;

/** The defaults that apply when the file says nothing. */
export function builtinDefaults(): PolicySection {
  const entries = policyKeys.map((key) => [key, keySpecs[key].defaultText]);
  return PolicySection.parse(Object.fromEntries(entries.filter(([, value]) => value !== undefined)));
}

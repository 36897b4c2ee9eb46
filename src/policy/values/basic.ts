// The kinds of value that policy keys have: INI text in, a value out, or what is wrong with the text. Pure.

import * as z from 'zod';
import { parseImageName } from '../../lib/text/image-name.ts';
import { nearest } from '../../lib/text/nearest.ts';
import { formatDuration, formatSize, parseDuration, parseSize, type Quantity } from '../../lib/text/units.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';

export type Check<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string };

/** A zod type for INI text out of a function that names what is wrong. */
export const text = <T>(check: (input: string) => Check<T>) =>
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

export function inRange(quantity: Quantity, { min, max = Number.MAX_SAFE_INTEGER, format }: Range): Quantity {
  if (!quantity.ok) return quantity;
  if (quantity.value < min) return { ok: false, problem: `is too little: at least ${format(min)}` };
  if (quantity.value > max) return { ok: false, problem: `is too much: at most ${format(max)}` };
  return quantity;
}

/** A limit that "none" takes away. */
const limit = (check: (input: string) => Quantity) =>
  text<number | null>((input) => (input === 'none' ? { ok: true, value: null } : check(input)));

export const sizeLimit = (min: number) =>
  limit((input) => inRange(parseSize(input), { min, format: formatSize }));

/** Longest time a timer of the daemon can count: 2^31 - 1 ms is a little under 25 days. */
const longestMs = 24 * 86_400_000;

export const duration = (max: number) =>
  text<number>((input) => inRange(parseDuration(input), { min: 0, max, format: formatDuration }));

export const durationOrForever = text<number>((input) =>
  input === 'forever'
    ? parseDuration(input)
    : inRange(parseDuration(input), {
        min: 0,
        max: longestMs,
        format: (ms) => `${formatDuration(ms)}, or forever`,
      }),
);

/** Decimal number above 0; cgroups count CPU time in no smaller parts than 1 ms of 100 ms. */
export const cpuLimit = limit((input) =>
  /^\d{1,5}(\.\d{1,6})?$/.test(input)
    ? inRange({ ok: true, value: Number(input) }, { min: 0.01, format: String })
    : { ok: false, problem: 'is not a number of CPUs such as 2 or 0.5' },
);

export const imageName = text<string>((input) =>
  parseImageName(input) === undefined
    ? { ok: false, problem: 'is not the name of an image, such as host, base or lab/base:2' }
    : { ok: true, value: input },
);

export const imageOrNone = text<string | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  return parseImageName(input) === undefined
    ? { ok: false, problem: 'is not the name of an image, such as busybox, nor none' }
    : { ok: true, value: input };
});

const isPlainPath = (input: string): input is AbsolutePath =>
  input.length < 4096 && /^(\/[^/\0]+)+$/.test(input) && !/\/\.{1,2}(\/|$)/.test(input);

export const pathInside = text<AbsolutePath>((input) =>
  isPlainPath(input)
    ? { ok: true, value: input }
    : { ok: false, problem: 'is not an absolute path without "." and ".."' },
);

export const oneOf = <const T extends string>(...values: readonly T[]) =>
  text<T>((input) => {
    const value = values.find((candidate) => candidate === input);
    if (value !== undefined) return { ok: true, value };
    const guess = nearest(input, values);
    const hint = guess === undefined ? '' : `; did you mean ${guess}?`;
    return { ok: false, problem: `is none of: ${values.join(', ')}${hint}` };
  });

const hostPattern = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?$/;

/** A registry: "docker.io", "registry.example:5000". */
export const registryHost = text<string>((input) =>
  hostPattern.test(input)
    ? { ok: true, value: input.toLowerCase() }
    : { ok: false, problem: 'is not the host of a registry, such as docker.io or registry.example:5000' },
);

/** The same; null for "none". */
export const registryHostOrNone = text<string | null>((input) => {
  if (input === 'none') return { ok: true, value: null };
  return hostPattern.test(input)
    ? { ok: true, value: input.toLowerCase() }
    : { ok: false, problem: 'is not the host of a registry, such as mirror.example:5000, nor none' };
});

/** "environment", "none", or the URL of a proxy. The problem does not quote it: it may hold a password. */
export const proxyAddress = text<string>((input) => {
  const url = URL.parse(input);
  const isPlain = url?.pathname === '/' && url.search === '' && url.hash === '';
  const isProxy = isPlain && ['http:', 'https:'].includes(url.protocol) && url.hostname !== '';
  return isProxy || input === 'environment' || input === 'none'
    ? { ok: true, value: input }
    : { ok: false, problem: 'is not the URL of a proxy, such as http://proxy.example:3128' };
});

/** As NO_PROXY has them. */
export const proxyExceptions = text<readonly string[]>((input) => {
  const entries = input === 'none' ? [] : input.split(/[\s,]+/).filter((entry) => entry !== '');
  const isEntry = (entry: string): boolean => /^(\*|[A-Za-z0-9.*:[\]/-]{1,255})$/.test(entry);
  return entries.every(isEntry) && (entries.length > 0 || input === 'none')
    ? { ok: true, value: entries }
    : { ok: false, problem: 'is not a list of hosts, domains and networks with blanks between, or none' };
});

/** Registries with blanks between; "none" for an empty list. */
export const registryHosts = text<readonly string[]>((input) => {
  const hosts = input === 'none' ? [] : input.split(/[\s,]+/).filter((host) => host !== '');
  const wrong = hosts.find((host) => !hostPattern.test(host));
  if (wrong === undefined && (hosts.length > 0 || input === 'none')) {
    return { ok: true, value: hosts.map((host) => host.toLowerCase()) };
  }
  return { ok: false, problem: 'is not a list of registries with blanks between, or none' };
});

/** A whole number of at least 1. */
export const count = text<number>((input) =>
  /^\d{1,15}$/.test(input)
    ? inRange({ ok: true, value: Number(input) }, { min: 1, format: String })
    : { ok: false, problem: 'is not a whole number' },
);

export const size = (min: number) =>
  text<number>((input) => inRange(parseSize(input), { min, format: formatSize }));

/** A whole number in a range; `without`: the word that takes the limit away. */
export const wholeNumber = (min: number, max: number, without?: string) =>
  text<number | null>((input) => {
    if (input === without) return { ok: true, value: null };
    if (!/^\d{1,9}$/.test(input)) return { ok: false, problem: 'is not a whole number' };
    return inRange({ ok: true, value: Number(input) }, { min, max, format: String });
  });

const thousands = { '': 1, k: 1000, M: 1_000_000 } as const;

/** How many of something there may be: "50000", "500k", "2M". */
export const numberOfThings = (min: number) =>
  limit((input) => {
    const match = /^(\d{1,9})([kM]?)$/.exec(input);
    if (match === null) return { ok: false, problem: 'is not a number such as 50000, 500k or 2M' };
    const value = Number(match[1]) * thousands[match[2] as keyof typeof thousands];
    return inRange({ ok: true, value }, { min, max: 4_000_000_000, format: String });
  });

/** A duration of at least `min`; `without`: the word that takes the limit away. */
export const durationFrom = (min: number, without: string) =>
  text<number | null>((input) =>
    input === without
      ? { ok: true, value: null }
      : inRange(parseDuration(input), { min, max: longestMs, format: formatDuration }),
  );

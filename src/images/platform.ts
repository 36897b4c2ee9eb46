// The kind of machine that an image is for: "linux/arm64/v8", as docker writes it. Pure, but for what this machine is.

import { readFileSync } from 'node:fs';
import { DockershError } from '../lib/errors.ts';
import { type Descriptor, ociArchitecture } from './oci.ts';

export interface Platform {
  /** OCI's spelling (Go's): "amd64". */
  readonly architecture: string;
  /** "v7". Undefined: what this machine has, or whichever there is. */
  readonly variant: string | undefined;
}

export function thisPlatform(): Platform {
  return { architecture: ociArchitecture(process.arch), variant: undefined };
}

/** What an image, or an entry of an index, says that it is for. */
interface Target {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** Flags of /proc/cpuinfo that each level has beside those below (x86-64 psABI, "micro-architecture levels"). */
const amd64Levels: readonly (readonly string[])[] = [
  [],
  ['cx16', 'lahf_lm', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3'],
  ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe', 'xsave'],
  ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'],
];

/** 1 to 4, of the text of /proc/cpuinfo. */
export function amd64Level(cpuinfo: string): number {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(' '));
  const missing = amd64Levels.findIndex((level) => level.some((flag) => !flags.has(flag)));
  return missing < 0 ? amd64Levels.length : missing;
}

let level: number | undefined;

function thisLevel(): number {
  if (process.arch !== 'x64') return 1;
  level ??= amd64Level(readFileSync('/proc/cpuinfo', 'latin1'));
  return level;
}

/** Versions from `from` down to `to`. */
function down(from: number, to: number): string[] {
  return Array.from({ length: from - to + 1 }, (_, index) => `v${from - index}`);
}

/** Another name of the same: what is for arm64 at all is for its first version, and so with amd64. */
function plainVariant({ architecture, variant = '' }: Target): string {
  const first: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' };
  return first[architecture] === variant ? '' : variant;
}

/** The version of "v7"; undefined where it is none, or is below the lowest. */
function versionOf(variant: string, lowest: number): number | undefined {
  const version = /^v([0-9])$/.exec(variant)?.[1];
  return version === undefined || Number(version) < lowest ? undefined : Number(version);
}

/**
 * Variants that run where `wanted` is wanted, best first; "" is what names none. `amd64`: the level of this machine.
 * Undefined: any will do.
 */
export function fittingVariants(wanted: Platform, amd64 = thisLevel()): readonly string[] | undefined {
  const variant = plainVariant({ os: 'linux', ...wanted });
  if (wanted.architecture === 'amd64') {
    const best = wanted.variant === undefined ? amd64 : versionOf(wanted.variant, 1);
    return best === undefined ? [variant] : [...down(best, 2), ''];
  }
  if (wanted.architecture === 'arm64') return variant === '' ? [''] : [variant, ''];
  if (wanted.architecture === 'arm') {
    // Without a word, what Debian's armhf and docker mean.
    const best = wanted.variant === undefined ? 7 : versionOf(variant, 5);
    return best === undefined ? [variant] : [...down(best, 5), ''];
  }
  return wanted.variant === undefined ? undefined : [variant];
}

/** 0 for what fits best; undefined for what does not. */
function rankOf(target: Target, wanted: Platform, amd64?: number): number | undefined {
  if ((target.os !== 'linux' && target.os !== '') || target.architecture !== wanted.architecture)
    return undefined;
  const variant = plainVariant(target);
  const fitting = fittingVariants(wanted, amd64);
  if (fitting === undefined) return variant === '' ? 0 : 1;
  const rank = fitting.indexOf(variant);
  return rank < 0 ? undefined : rank;
}

/** Whether an image's configuration is one for the platform. One that does not say for what it is may be. */
export function fitsPlatform(image: Target, wanted: Platform = thisPlatform()): boolean {
  if (image.architecture === '') return image.os === 'linux';
  return rankOf(image, wanted) !== undefined;
}

/** Names that uname and others have for what OCI calls otherwise. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['aarch64', 'arm64'],
  ['i386', '386'],
]);

/** Of "linux/ARCHITECTURE[/VARIANT]" or "ARCHITECTURE". Throws E_USAGE. */
export function parsePlatform(text: string): Platform {
  const match = /^(?:([a-z0-9]+)\/)?([a-z0-9_]+)(?:\/([a-z0-9]+))?$/.exec(text.toLowerCase());
  const [, os = 'linux', name = '', variant] = match ?? [];
  // "arm/v7" would be an operating system "arm" otherwise.
  if (match !== null && os === 'linux' && name !== 'linux') {
    return { architecture: aliases.get(name) ?? name, variant };
  }
  throw new DockershError('E_USAGE', {
    what: `platform '${text.slice(0, 100)}'`,
    why: 'it is not linux/ARCHITECTURE[/VARIANT]',
    hint: 'As in linux/amd64, linux/arm64 or linux/arm/v7.',
  });
}

export function describePlatform({ architecture, variant }: Platform): string {
  return `linux/${architecture}${variant === undefined ? '' : `/${variant}`}`;
}

/** The entries of an index that are for a platform, best first. `amd64`: as fittingVariants has it. */
export function fittingEntries(
  manifests: readonly Descriptor[],
  wanted: Platform = thisPlatform(),
  amd64?: number,
): Descriptor[] {
  const ranked = manifests.flatMap((entry) => {
    const rank = entry.platform && rankOf(entry.platform, wanted, amd64);
    return rank === undefined ? [] : [{ entry, rank }];
  });
  return ranked.sort((one, other) => one.rank - other.rank).map(({ entry }) => entry);
}

const mostNamed = 20;

/** What there is, for people. Entries that are no image (attestations) have the platform "unknown". */
export function listPlatforms(manifests: readonly Descriptor[]): string {
  const names = manifests.flatMap(({ platform }) => {
    if (platform === undefined || platform.os === 'unknown') return [];
    const { os, architecture, variant } = platform;
    return [[os, architecture, ...(variant === undefined ? [] : [variant])].join('/')];
  });
  const distinct = [...new Set(names)];
  const more = distinct.length > mostNamed ? ` and ${distinct.length - mostNamed} more` : '';
  return distinct.length === 0 ? 'nothing' : `${distinct.slice(0, mostNamed).join(', ')}${more}`;
}

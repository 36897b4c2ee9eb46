// The kind of machine that an image is for: "linux/arm64/v8", as docker writes it. Pure.

import { DockershError } from '../lib/errors.ts';
import { type Descriptor, ociArchitecture } from './oci.ts';

export interface Platform {
  /** OCI's spelling (Go's): "amd64". */
  readonly architecture: string;
  /** Of 32-bit ARM above all: "v7". Undefined: whichever there is. */
  readonly variant: string | undefined;
}

export function thisPlatform(): Platform {
  return { architecture: ociArchitecture(process.arch), variant: undefined };
}

/** Whether an image's configuration names the platform, whatever its variant. */
export function fitsPlatform(
  image: { readonly os: string; readonly architecture: string },
  { architecture }: Platform = thisPlatform(),
): boolean {
  return image.os === 'linux' && image.architecture === architecture;
}

/** Names that uname and others have for what OCI calls otherwise. */
const aliases: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64', i386: '386' };

/** Of "linux/ARCHITECTURE[/VARIANT]" or "ARCHITECTURE". Throws E_USAGE. */
export function parsePlatform(text: string): Platform {
  const match = /^(?:([a-z0-9]+)\/)?([a-z0-9_]+)(?:\/([a-z0-9]+))?$/.exec(text.toLowerCase());
  const [, os = 'linux', name = '', variant] = match ?? [];
  // "arm/v7" would be an operating system "arm" otherwise.
  if (match !== null && os === 'linux' && name !== 'linux') {
    return { architecture: aliases[name] ?? name, variant };
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

/** The manifest for a platform. Without a variant, one that has none where there is a choice. */
export function choosePlatform(
  manifests: readonly Descriptor[],
  wanted: Platform = thisPlatform(),
): Descriptor | undefined {
  const fitting = manifests.filter(
    ({ platform: target }) => target !== undefined && fitsPlatform(target, wanted),
  );
  const exact = fitting.find(({ platform: target }) => target?.variant === wanted.variant);
  return exact ?? (wanted.variant === undefined ? fitting[0] : undefined);
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

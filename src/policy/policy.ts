// The parsed policy and what one user gets out of it. Pure.

import type { PolicyKey, PolicySection, PolicyValue } from './schema.ts';

/** Where an effective value was written. */
export type Origin =
  | { readonly kind: 'file'; readonly file: string; readonly line: number; readonly section: string }
  | { readonly kind: 'default' };

/** Line of each key that a section sets. */
export type KeyLines = ReadonlyMap<PolicyKey, number>;

export interface SectionPolicy {
  /** As written: "defaults", "user:alice". */
  readonly name: string;
  readonly line: number;
  readonly values: PolicySection;
  readonly lines: KeyLines;
}

export interface Policy {
  readonly file: string;
  /** Values of keys that the file does not set. */
  readonly builtin: PolicySection;
  readonly defaults: SectionPolicy | undefined;
  readonly users: ReadonlyMap<string, SectionPolicy>;
  readonly images: ImagesPolicy;
}

/** What holds for all images: [images]. */
export interface ImagesPolicy {
  /** Of names that say no registry. */
  readonly registry: string;
  /** Registries that may be spoken to without TLS, with their ports. */
  readonly plainHttp: readonly string[];
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** What a user's sandbox and sessions are made with. null: no limit. */
export interface EffectivePolicy {
  readonly image: string;
  /** What a start does when that name has come to mean another image. */
  readonly onImageChange: PolicyValue<'on_image_change'>;
  /** Absolute path inside; absent: the shell of the passwd entry unless dockersh, else /bin/bash, else /bin/sh. */
  readonly shell?: string;
  /** What runs as the User of the image's configuration. */
  readonly imageUser: PolicyValue<'image_user'>;
  readonly memoryBytes: number | null;
  /** CPUs, may be a fraction. */
  readonly cpus: number | null;
  readonly pids: number | null;
  /** Size of /tmp. */
  readonly tmpBytes: number | null;
  readonly home: PolicyValue<'home'>;
  readonly network: PolicyValue<'network'>;
  /** Infinity: the sandbox never stops by itself. */
  readonly lingerMs: number;
  readonly background: PolicyValue<'background'>;
  readonly hangupGraceMs: number;
  readonly stopGraceMs: number;
  readonly origins: Readonly<Record<PolicyKey, Origin>>;
}

export type Evaluation =
  | { readonly kind: 'ok'; readonly policy: EffectivePolicy }
  | { readonly kind: 'refused'; readonly code: 'E_NO_POLICY' };

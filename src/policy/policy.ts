// The parsed policy and what one user gets out of it. Pure.

import type { EffectivePolicy, GatewayPolicy, HostPolicy, ImagesPolicy } from './effective.ts';
import type { Names } from './parse/header.ts';
import type { PolicyKey, PolicySection } from './schema.ts';

export type { EffectivePolicy, GatewayPolicy, HostPolicy, ImagesPolicy } from './effective.ts';

/** Where a value was written. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** One setting of a section, as written. */
export interface Setting extends Place {
  readonly text: string;
  /** "+=": adds to what the sections before say. */
  readonly append: boolean;
}

export interface SectionPolicy {
  /** As written: "defaults", "user:alice". */
  readonly name: string;
  readonly file: string;
  readonly line: number;
  /** Of the settings whose value is the same for everybody and stands alone. */
  readonly values: PolicySection;
  readonly settings: ReadonlyMap<PolicyKey, Setting>;
  /** Keys that `values` lacks: what they come to depends on the user or on other sections. */
  readonly dependent: readonly PolicyKey[];
  /** env.NAME */
  readonly env: ReadonlyMap<string, Setting>;
}

/** A section for those whom its header names. */
export interface NamedPolicy {
  readonly names: Names;
  readonly section: SectionPolicy;
}

export interface Policy {
  /** The main file. */
  readonly file: string;
  /** Every file that was read, in order; the main file is the first. */
  readonly files: readonly string[];
  /** Values of keys that no file sets. */
  readonly builtin: PolicySection;
  // In the order in which they stand, file by file: of two that say something, the later one counts.
  readonly defaults: readonly SectionPolicy[];
  readonly imageSections: readonly NamedPolicy[];
  readonly groups: readonly NamedPolicy[];
  /** [user:NAME] whose names are globs. */
  readonly userGlobs: readonly NamedPolicy[];
  readonly users: ReadonlyMap<string, readonly SectionPolicy[]>;
  readonly images: ImagesPolicy;
  readonly host: HostPolicy;
  readonly gateway: GatewayPolicy;
}

/**
 * `E_POLICY_UNFIT`: what a setting comes to for this user is not accepted. `E_POLICY_BROKEN`: there is no policy that
 * could be asked.
 */
export type Evaluation =
  | { readonly kind: 'ok'; readonly policy: EffectivePolicy }
  | {
      readonly kind: 'refused';
      readonly code: 'E_NO_POLICY' | 'E_POLICY_UNFIT' | 'E_POLICY_BROKEN';
      readonly why: string;
    };

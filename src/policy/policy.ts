// The parsed policy and what one user gets out of it. Pure.

import type { Limits } from '../limits/limits.ts';
import type { Names } from './parse/header.ts';
import type { PolicyKey, PolicySection, PolicyValue } from './schema.ts';

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
}

/** What all sandboxes together may take: [host]. null: no limit. */
export interface HostPolicy {
  readonly mostSandboxes: number | null;
  readonly mostSessions: number | null;
  /** Sum of the limits of running sandboxes. */
  readonly mostMemoryBytes: number | null;
  readonly whenFull: 'refuse' | 'wait';
  readonly waitMs: number;
}

/** What holds for all images: [images]. */
export interface ImagesPolicy {
  /** Of names that say no registry. */
  readonly registry: string;
  /** Registries that may be spoken to without TLS, with their ports. */
  readonly plainHttp: readonly string[];
  /** Tried before the default registry; null: none. */
  readonly mirror: string | null;
  /** "environment", "none", or a URL. */
  readonly proxy: string;
  /** What is reached without it. */
  readonly noProxy: readonly string[];
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** What a user's sandbox and sessions are made with. null: no limit. */
export interface EffectivePolicy extends Limits {
  readonly image: string;
  /** What a start does when that name has come to mean another image. */
  readonly onImageChange: PolicyValue<'on_image_change'>;
  /** Absolute path inside; absent: the shell of the passwd entry unless dockersh, else /bin/bash, else /bin/sh. */
  readonly shell?: string;
  /** What runs as the User of the image's configuration. */
  readonly imageUser: PolicyValue<'image_user'>;
  /** Bytes of the user's own layer, its snapshots and the private home together. */
  readonly diskBytes: number | null;
  readonly inodes: number | null;
  readonly diskBackend: PolicyValue<'disk_backend'>;
  readonly strict: boolean;
  /** Size of /tmp. */
  readonly tmpBytes: number | null;
  readonly home: PolicyValue<'home'>;
  /** The folder that private homes are in; null: the state. */
  readonly homeRoot: string | null;
  readonly network: PolicyValue<'network'>;
  /** Infinity: the sandbox never stops by itself. */
  readonly lingerMs: number;
  readonly background: PolicyValue<'background'>;
  readonly hangupGraceMs: number;
  readonly stopGraceMs: number;
  readonly shmBytes: number | null;
  /** Absent: that of this host. */
  readonly hostname?: string;
  readonly mounts: PolicyValue<'mounts'>;
  readonly devices: PolicyValue<'devices'>;
  readonly root: PolicyValue<'root'>;
  readonly nesting: PolicyValue<'nesting'>;
  readonly seccomp: PolicyValue<'seccomp'>;
  readonly seccompWiden: PolicyValue<'seccomp_widen'>;
  readonly socketcall: PolicyValue<'socketcall'>;
  /** null: the login's own. */
  readonly umask: number | null;
  readonly nice: number;
  readonly timezone?: string;
  readonly openFiles: number | null;
  readonly fileSizeBytes: number | null;
  readonly lockedBytes: number | null;
  readonly stackBytes: number | null;
  readonly processTimeMs: number | null;
  readonly mostSessions: number | null;
  readonly loginRate: PolicyValue<'login_rate'>;
  readonly sessionTimeMs: number | null;
  readonly idleTimeMs: number | null;
  readonly banner: string | null;
  readonly maintenance: string | null;
  /** Keys of the user's own file that count; "env" for variables. */
  readonly userMaySet: readonly string[];
  readonly imagesAllowed: readonly string[];
  /** A shell of the host instead of a sandbox. */
  readonly exempt: PolicyValue<'exempt'>;
  /** The image for when `image` is missing or damaged. */
  readonly rescue: string | null;
  /** "NAME=value", over the image's and the login's own. */
  readonly env: readonly string[];
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

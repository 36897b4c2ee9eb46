// Names what keys of the policy come to, for the rest of the program, and has its types from the keys' own. Pure.

import type { Network } from '../lib/network/network.ts';
import { type Limits, limitsFrom } from '../limits/limits.ts';
import { networkOf } from './network/network-of.ts';
import {
  type GatewaySection,
  gatewaySection,
  type HostSection,
  hostSection,
  type ImagesSection,
  imagesSection,
  type PolicyKey,
  type PolicySection,
  type PolicyValue,
  required,
} from './schema.ts';

/** Of keys that always have a value. null: no limit, unless another meaning is said. */
const fields = {
  /** The image for when `image` is missing or damaged; null: none. */
  rescue: 'rescue',
  /** A shell of the host instead of a sandbox. */
  exempt: 'exempt',
  /** What a start does when the image's name has come to mean another image. */
  onImageChange: 'on_image_change',
  /** What runs as the User of the image's configuration. */
  imageUser: 'image_user',
  /** Bytes of the user's own layer, its snapshots and the private home together. */
  diskBytes: 'disk',
  inodes: 'inodes',
  diskBackend: 'disk_backend',
  /** Size of /tmp. */
  tmpBytes: 'tmp_size',
  home: 'home',
  /** The folder that private homes are in; null: the state. */
  homeRoot: 'home_root',
  /** Infinity: the sandbox never stops by itself. */
  lingerMs: 'linger',
  background: 'background',
  hangupGraceMs: 'hangup_grace',
  stopGraceMs: 'stop_grace',
  shmBytes: 'shm_size',
  mounts: 'mounts',
  devices: 'devices',
  root: 'root',
  boot: 'boot',
  cron: 'cron',
  nesting: 'nesting',
  lxcfs: 'lxcfs',
  sysinfo: 'sysinfo',
  seccomp: 'seccomp',
  seccompWiden: 'seccomp_widen',
  socketcall: 'socketcall',
  /** null: the login's own. */
  umask: 'umask',
  authorizedKeys: 'authorized_keys',
  /** Globs. */
  passEnv: 'pass_env',
  openFiles: 'open_files',
  fileSizeBytes: 'file_size',
  lockedBytes: 'locked_memory',
  stackBytes: 'stack_size',
  processTimeMs: 'process_time',
  mostSessions: 'sessions',
  loginRate: 'login_rate',
  sessionTimeMs: 'session_time',
  idleTimeMs: 'idle_time',
  onHangup: 'on_hangup',
  /** null: for ever. */
  keepForMs: 'keep_for',
  mostKept: 'kept_sessions',
  reattach: 'reattach',
  banner: 'banner',
  welcome: 'welcome',
  /** Words; empty: no command is one. */
  selfService: 'self_service',
  maintenance: 'maintenance',
  record: 'record',
  recordFormat: 'record_format',
  recordInput: 'record_input',
  /** Of one recording, and of all of a user's. */
  recordBytes: 'record_size',
  recordTotalBytes: 'record_total',
  /** Whether root may look at sessions, and users are told. */
  watch: 'watch',
  /** null: users are not told. */
  recordNotice: 'record_notice',
  /** Keys of the user's own file that count; "env" for variables. */
  userMaySet: 'user_may_set',
  imagesAllowed: 'images_allowed',
} as const satisfies Record<string, PolicyKey>;

/** Absent where nothing is set. */
const optionalFields = {
  /** Absolute path inside; absent: the shell of the passwd entry unless dockersh, else /bin/bash, else /bin/sh. */
  shell: 'shell',
  /** Absent: that of this host. */
  hostname: 'hostname',
  timezone: 'timezone',
  /** Absent: by `record`. */
  recordFull: 'record_full',
} as const satisfies Record<string, PolicyKey>;

/** What all sandboxes together may take: [host]. null: no limit. */
const hostFields = {
  mostSandboxes: 'sandboxes',
  mostSessions: 'sessions',
  /** Sum of the limits of running sandboxes. */
  mostMemoryBytes: 'memory',
  whenFull: 'when_full',
  waitMs: 'wait_time',
  /** null: chosen by the daemon. */
  networkPool: 'network_pool',
  /** null: chosen by the daemon; "none": no IPv6. */
  networkPool6: 'network_pool6',
  /** Ports that users have of their own; null: none. */
  publishPool: 'publish_pool',
  /** UDP ports, for mosh. */
  moshPool: 'mosh_pool',
  audit: 'audit',
  auditCommands: 'audit_commands',
  auditKeepMs: 'audit_keep',
  /** null: no bound. */
  auditBytes: 'audit_size',
  recordingsKeepMs: 'recordings_keep',
  /** null: at no address. */
  metrics: 'metrics',
} as const satisfies Record<string, keyof HostSection>;

/** What holds for all images: [images]. */
const imagesFields = {
  /** Of names that say no registry. */
  registry: 'registry',
  /** Registries that may be spoken to without TLS, with their ports. */
  plainHttp: 'plain_http',
  /** Tried before the default registry; null: none. */
  mirror: 'mirror',
  /** "environment", "none", or a URL. */
  proxy: 'proxy',
  /** What is reached without it. */
  noProxy: 'no_proxy',
  /** Empty: everything is trusted. */
  imagesTrusted: 'images_trusted',
  unsignedLocal: 'unsigned_local',
  maxEntries: 'max_entries',
  maxBytes: 'max_bytes',
} as const satisfies Record<string, keyof ImagesSection>;

/** Who may log in at the gateway, and how: [gateway], by the keys' own names. */
export type GatewayPolicy = { readonly [K in keyof GatewaySection]-?: Exclude<GatewaySection[K], undefined> };

type Named<Fields extends Record<string, PropertyKey>, Values> = {
  readonly [F in keyof Fields]: Exclude<Values[Fields[F] & keyof Values], undefined>;
};

export type HostPolicy = Named<typeof hostFields, HostSection>;
export type ImagesPolicy = Named<typeof imagesFields, ImagesSection>;

/** What a user's sandbox and sessions are made with. */
export type EffectivePolicy = Limits &
  Named<typeof fields, PolicySection> & {
    readonly [F in keyof typeof optionalFields]?: PolicyValue<(typeof optionalFields)[F]>;
  } & {
    readonly image: string;
    readonly network: Network;
    readonly strict: boolean;
    readonly nice: number;
    /** "NAME=value", over the image's and the login's own. */
    readonly env: readonly string[];
  };

/** The values of the keys by the fields' names. */
function named<const Fields extends Record<string, PropertyKey>, Values>(
  names: Fields,
  values: Values,
): Named<Fields, Values> {
  const entries = Object.entries(names) as [string, Fields[string] & keyof Values & string][];
  return Object.fromEntries(
    entries.map(([field, key]) => [field, required(values[key], key as PolicyKey)]),
  ) as Named<Fields, Values>;
}

export function effective(values: PolicySection, image: string, env: readonly string[]): EffectivePolicy {
  const optional = Object.entries(optionalFields).filter(([, key]) => values[key] !== undefined);
  return {
    ...named(fields, values),
    ...limitsFrom((key) => required(values[key], key)),
    ...Object.fromEntries(optional.map(([field, key]) => [field, values[key]])),
    image,
    network: networkOf(values),
    strict: required(values.strict, 'strict') === 'yes',
    nice: required(values.nice, 'nice') ?? 0,
    env,
  };
}

export const hostPolicy = (written: HostSection): HostPolicy =>
  named(hostFields, { ...hostSection.defaults(), ...written });

export const gatewayPolicy = (written: GatewaySection): GatewayPolicy =>
  ({ ...gatewaySection.defaults(), ...written }) as GatewayPolicy;

export const imagesPolicy = (written: ImagesSection): ImagesPolicy =>
  named(imagesFields, { ...imagesSection.defaults(), ...written });

// The one small interface that the rest of the program sees of sandboxes. Today one engine stands behind it
// (sandboxes.ts); nothing above may know of namespaces or cgroups.

import type { OwnedFd } from '../lib/fd.ts';
import type { Network } from '../lib/network/network.ts';
import type { AbsolutePath } from '../lib/values/absolute-path.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { ByteString } from '../lib/wire.ts';
import type { Limits } from '../limits/limits.ts';
import type { UserRecord } from './addon.ts';
import type { ConnectionEnd, ConnectionSpec, Forward } from './connection.ts';
import type { Asked, SandboxEnd, SandboxStart, SessionEnd, SessionStart } from './ends.ts';
import type { IdMaps } from './ids.ts';
import type { KeptEvents, KeptSessions, SessionKeep, SessionOffer, TcpEnds } from './kept.ts';
import type { SandboxLink, Traffic } from './network/plan.ts';
import type { Refused, RefusedNow } from './network/refused.ts';
import type { Pause } from './sandbox/pause.ts';
import type { Load, SandboxCounts, SandboxInfo, SandboxUsage } from './seen.ts';
import type { ClientConnection, Disposer } from './socket/client-connection.ts';

export type { Limits } from '../limits/limits.ts';
export type { UserRecord } from './addon.ts';
export type { ConnectionEnd, ConnectionSpec, Forward } from './connection.ts';
export type { Asked, ByWhom, SandboxEnd, SandboxStart, SessionEnd, SessionStart, Work } from './ends.ts';
export { type IdMaps, rangeSize } from './ids.ts';
export type {
  KeptEvents,
  KeptSession,
  KeptSessions,
  LookSpec,
  Looks,
  RecordingState,
  SessionKeep,
  SessionOffer,
  TcpEnds,
} from './kept.ts';
export type { SandboxLink } from './network/plan.ts';
export type { Refused } from './network/refused.ts';
export type { Pause } from './sandbox/pause.ts';
export type { Load, SandboxInfo, SandboxUsage } from './seen.ts';

/** Everything that decides what a sandbox is, at its start. */
export interface SandboxSpec extends Limits {
  readonly user: UserRecord;
  readonly image: SandboxImage;
  /** What everybody who logs in at a terminal is told; undefined: nothing. */
  readonly notice: string | undefined;
  /** The login shell, as the sandbox's /etc/passwd names it. */
  readonly shell: string;
  /** Whether a limit that this host can't enforce refuses the start. */
  readonly strict: boolean;
  /** What the policy said, key by key, for whoever asks later. */
  readonly settings: Readonly<Record<string, string>>;
  /** Infinity: never stopped for being idle. */
  readonly lingerMs: number;
  readonly hangupGraceMs: number;
  readonly stopGraceMs: number;
  readonly tmpBytes: number | null;
  readonly network: Network;
  /** Of a private network; undefined: there is none. */
  readonly link: SandboxLink | undefined;
  readonly background: 'keep' | 'kill';
  /** Size of /dev/shm. */
  readonly shmBytes: number | null;
  readonly hostname: string;
  /** Folders below /run that everybody may write in. */
  readonly runFolders: readonly string[];
  /** machine-id(5) inside. */
  readonly machineId: string;
  /** Folders of the host that root lets the sandbox see. */
  readonly mounts: readonly {
    readonly source: AbsolutePath;
    readonly target: AbsolutePath;
    readonly writable: boolean;
  }[];
  /** Whether setuid programs inside have their effect, up to the sandbox's own root. */
  readonly root: 'no' | 'yes';
  /** Whether users may make namespaces, and containers in them. */
  readonly nesting: 'no' | 'yes';
  /** Whether /proc says the sandbox's numbers where lxcfs knows them. */
  readonly lxcfs: 'auto' | 'no';
  /** Whose numbers sysinfo(2) says. */
  readonly sysinfo: 'own' | 'host';
  /** Filters of system calls besides the supervisor's own, or instead of it; as the kernel takes them. */
  readonly systemCalls: { readonly filters: readonly Buffer[]; readonly alone: boolean };
  /** Devices of the host, by paths and globs. */
  readonly devices: readonly { readonly path: string; readonly writable: boolean }[];
}

/**
 * Where the user's files lie, made ready: nothing of it is looked for any more. Whoever has it keeps it open; a sandbox
 * does until nothing of it is left.
 */
export interface SandboxStorage extends AsyncDisposable {
  readonly ids: IdMaps;
  /** The block device that the supervisor mounts first; what lies on it is named relative to where it builds. */
  readonly device: string | undefined;
  /** Holds `upper` and `work`. */
  readonly layer: string;
  /** The identity layer, on top of the image's layers. */
  readonly identity: AbsolutePath;
  /** What is mounted at the user's home. */
  readonly home: string;
}

/** All that a start needs. Disposed when the supervisor has been asked to build, or when it comes to nothing. */
export interface PreparedSandbox extends AsyncDisposable {
  readonly spec: SandboxSpec;
  /** Whoever takes it disposes it. */
  readonly storage: SandboxStorage;
}

export interface SandboxImage {
  readonly name: string;
  readonly digest: string;
  /** Unpacked, read-only, top first. */
  readonly layers: readonly { readonly path: string; readonly idmapped: boolean }[];
  /** Read-only binds into the root filesystem. */
  readonly binds: readonly { readonly source: string; readonly target: string }[];
  /** The image's own /etc/passwd and /etc/group. */
  readonly passwd: string | undefined;
  readonly group: string | undefined;
  /** "NAME=value", what every session starts from. */
  readonly env: readonly string[];
  /** Where commands that are run directly start; undefined: at home, as logins do. */
  readonly workingDir: string | undefined;
  /** Whom the image's own commands run as, or why they cannot; undefined: the sandbox's user. */
  readonly user: SessionIdentity | { readonly why: string } | undefined;
}

/** Ids of the image's that a session may have in place of the user's own; never root's. */
export interface SessionIdentity {
  readonly uid: number;
  readonly gid: number;
  /** All groups, the first one included. */
  readonly groups: readonly number[];
  readonly name: string;
  readonly home: string;
}

/** What a session may use, and how long. null: what there is without a limit of its own. */
export interface SessionLimits {
  readonly nice: number;
  readonly openFiles: number | null;
  readonly fileSizeBytes: number | null;
  readonly lockedBytes: number | null;
  readonly stackBytes: number | null;
  /** CPU time of one process. */
  readonly processTimeMs: number | null;
  /** Sessions of this sandbox, this one included. */
  readonly mostSessions: number | null;
  readonly sessionTimeMs: number | null;
  /** Of the session's terminal, where it has one. */
  readonly idleTimeMs: number | null;
}

/** What is recorded of a session that has a terminal. */
export interface RecordingSpec {
  /** Undefined: there is no room for it. */
  readonly file: { readonly name: string; readonly open: () => OwnedFd } | undefined;
  readonly version: 2 | 3;
  readonly input: boolean;
  /** Where there is no room, the terminal does not begin, or waits, or ends. */
  readonly refuses: boolean;
  readonly mostBytes: number;
  readonly startedMs: number;
  /** For who plays it. */
  readonly title: string;
  readonly term: string;
}

/** One session: what is to run, for whom is fixed by the sandbox. */
export interface SessionSpec {
  readonly id: string;
  /** argv; for a shell, argv[0] says only whether it is a login shell ("-"). */
  readonly args: readonly ByteString[];
  /** Over the image's; HOME is the sandbox's to say. */
  readonly env: readonly ByteString[];
  /** How many of these, the first ones, came with the login. */
  readonly sentVariables: number;
  /** How many of those, the first ones, are left out where the session has no room for them. */
  readonly spareVariables: number;
  /** `direct`: args[0] is run itself, found by PATH inside. `shell`: falls back to /bin/sh, silently or not. */
  readonly program:
    | { readonly kind: 'direct' }
    | { readonly kind: 'shell'; readonly path: string; readonly announceFallback: boolean };
  readonly umask: number;
  /** Run it as the image's user, where the image has one. */
  readonly asImageUser: boolean;
  readonly limits: SessionLimits;
  /** Of a session on a terminal; null: its connection's end is its own. */
  readonly keep: SessionKeep | null;
  /** Another session, which its user is asked to go back to before this one begins; null: nobody is asked. */
  readonly offer: SessionOffer | null;
  /** Shown first, where the session has a terminal. */
  readonly banner: string | null;
  /** Where the login came from, as it said; only shown. */
  readonly from: string | undefined;
  readonly tcp: TcpEnds | undefined;
  readonly recording?: RecordingSpec | undefined;
  /** Root may look at it. */
  readonly watchable?: boolean;
}

/** A private network, of a sandbox that runs. */
export interface NetworkInfo {
  readonly user: string;
  readonly link: SandboxLink;
  /** Shared ones that it is in. */
  readonly networks: readonly string[];
  /** "PROTOCOL ADDRESS PORTS PORTS": of the host, and inside. */
  readonly published: readonly string[];
  /** "PROTOCOL ADDRESS PORT WHY": those of them that could not be had. */
  readonly missing: readonly string[];
  /** Undefined: nobody says. */
  readonly traffic: Traffic | undefined;
  /** The latest first. */
  readonly refused: readonly Refused[];
}

export interface EngineEvents extends KeptEvents {
  readonly sessionEnded: (end: SessionEnd) => void;
  readonly connectionEnded: (end: ConnectionEnd) => void;
  /** What an ssh connection by the gateway forwards. */
  readonly forwarded: (forward: Forward & { readonly uid: Uid; readonly user: string }) => void;
  readonly sandboxStarted: (start: SandboxStart) => void;
  readonly asked: (asked: Asked) => void;
  /** By a sandbox's network. */
  readonly trafficRefused: (now: RefusedNow) => void;
  /** After the ends of its sessions. */
  readonly sandboxEnded: (end: SandboxEnd) => void;
}

export interface Engine extends AsyncDisposable, Disposer {
  /**
   * Runs a session in the user's sandbox and starts that first where it is not there. `prepare` is asked only
   * then. A sandbox that another account has started under the same uid is not the user's: E_OWNER. `connection` is the login client's, with its login still to be read: the supervisor takes the
   * client's descriptors from there. Resolves when a supervisor has taken the session over; throws
   * DockershError where none could, and then the connection is here again unless the client knows already.
   */
  startSession(
    user: Pick<UserRecord, 'uid' | 'name'>,
    session: SessionSpec,
    connection: ClientConnection,
    prepare: () => Promise<PreparedSandbox>,
  ): Promise<SessionStart>;
  /** Those that can be looked at. */
  readonly kept: KeptSessions;
  /** The same for an ssh connection; `client` is sshd's module, with its request still to be read. */
  joinConnection(
    connection: ConnectionSpec,
    client: ClientConnection,
    prepare: () => Promise<PreparedSandbox>,
  ): Promise<SessionStart>;
  /** How many ssh connections are joined to the user's sandbox. */
  connectionsOf(uid: Uid): number;
  /**
   * Stops a sandbox, one that is being prepared as well, and waits until nothing of it is left. False: there was none.
   * `why`: what those inside are told; default: that the administrator does it.
   */
  stop(uid: Uid, why?: string): Promise<boolean>;
  /** The same, without one that is being prepared: whoever calls keeps that from going on. */
  stopStarted(uid: Uid): Promise<boolean>;
  /** Says it on the terminals of the user's sessions; how many these are. `text`: as `notice` of the protocol has it. */
  say(uid: Uid, text: string): Promise<number>;
  /** Keeps what was open for a sandbox that an earlier daemon has started. */
  keep(uid: Uid, storage: AsyncDisposable): Promise<void>;
  /**
   * Everything in the user's sandbox stands still, and none starts, for `limitMs` at most: logins wait. One at a
   * time for each uid. Throws E_BUSY where that is not possible.
   */
  pause(user: UserRecord, limitMs: number): Promise<Pause>;
  /**
   * Has the user's running sandbox keep to other limits, at once. False: there is none. `settings`: what the
   * policy says now of them. Throws E_LIMIT_REFUSED.
   */
  adjust(uid: Uid, limits: Limits, settings: Readonly<Record<string, string>>): Promise<boolean>;
  /** Has the user's running sandbox keep to what the policy says of its network now, where that is a private one. */
  follow(uid: Uid, network: Network): void;
  /** Undefined: there is no running sandbox with a private network. */
  networkOf(uid: Uid): Promise<NetworkInfo | undefined>;
  /** Of running sandboxes. */
  uids(): Uid[];
  /** The account that the running sandbox was started for; undefined where there is none. */
  nameOf(uid: Uid): string | undefined;
  /** Of the image that the running sandbox is made on; undefined where there is none. */
  digestOf(uid: Uid): string | undefined;
  /** The host's files have changed: running sandboxes that see them do not go by what they found before. */
  renew(): void;
  loads(): Load[];
  usage(only?: Uid): Promise<SandboxUsage[]>;
  counts(): Promise<SandboxCounts[]>;
  /** What the policy said when the sandbox was started; undefined if there is no sandbox, or it is not known. */
  settingsOf(uid: Uid): Readonly<Record<string, string>> | undefined;
  stopAll(): Promise<void>;
  /** `only`: of this user's sandbox, if there is one; no other is asked. */
  list(only?: Uid): Promise<SandboxInfo[]>;
  /** Of running sandboxes: paths of image layers, and digests of images. */
  layersInUse(): Set<string>;
}

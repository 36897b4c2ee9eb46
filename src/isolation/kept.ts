// Describes sessions that have a keeper: they can go on without their connection, and others can look at them.

import type { Uid } from '../lib/values/uid.ts';
import type { ByteString } from '../lib/wire.ts';
import type { TcpState } from './addon.ts';
import type { SessionStart } from './ends.ts';
import type { ClientConnection } from './socket/client-connection.ts';

/** Addresses and ports of a TCP connection, ours first. */
export type TcpEnds = readonly [local: string, localPort: number, remote: string, remotePort: number];

/** How a session goes on whose connection has ended. */
export interface SessionKeep {
  /** null: for ever. */
  readonly forMs: number | null;
  /** Sessions of the user's that do so at a time; null: as many as there are. */
  readonly most: number | null;
}

/** Another session, which a login may become. */
export interface SessionOffer {
  readonly target: string;
  readonly question: string;
  /** Whether those who are at it leave it then. */
  readonly takes: boolean;
}

/** How a login looks at a session: as its user, typing or not, or as root. */
export type Looks = 'attach' | 'peek' | 'watch' | 'join';

/** A login that looks at a session of the user's which has a keeper. */
export interface LookSpec {
  readonly id: string;
  /** The session's. */
  readonly target: string;
  readonly looks: Looks;
  /** Whether those at the session are told. */
  readonly tells?: boolean;
  /** Whether others who are at it as its user leave it. */
  readonly takes?: boolean;
  readonly from: string | undefined;
  readonly tcp: TcpEnds | undefined;
  /** What of the login's environment says where its agent is, inside. */
  readonly env: readonly ByteString[];
}

/** A session which has a keeper: it can be looked at. */
export interface KeptSession {
  readonly id: string;
  /** Of its terminal inside: what people call it by. */
  readonly number: number;
  readonly startedAt: string;
  readonly from: string | null;
  /** The connection that it came by. */
  readonly tcp: TcpEnds | null;
  /** Whether it goes on when its connection ends. */
  readonly keeps: boolean;
  /** Since when nobody is at it; null: somebody is. */
  readonly leftAt: string | null;
  /** Until when it goes on like that; null: for ever, or somebody is at it. */
  readonly keptUntil: string | null;
  readonly viewers: readonly {
    readonly id: string;
    readonly looks: Looks;
    readonly from: string | null;
    readonly tcp: TcpEnds | null;
  }[];
}

export type RecordingState = 'waits' | 'goes-on' | 'ends';

export interface KeptEvents {
  /** Nobody is at the session any more, and it goes on. */
  readonly sessionDetached: (event: { id: string; uid: Uid; user: string; forMs: number | null }) => void;
  /** There is no room for its recording, and it stands still; there is again; or it is recorded no more, and ends where it must be. */
  readonly sessionRecording: (event: { id: string; uid: Uid; user: string; state: RecordingState }) => void;
  /** The login `viewer` looks at it now. */
  readonly sessionAttached: (event: {
    id: string;
    uid: Uid;
    user: string;
    viewer: string;
    looks: Looks;
  }) => void;
}

export interface KeptSessions {
  /**
   * Shows a session to a login: one of the user's that has a keeper. Undefined: the user has no sandbox that runs. Whether the
   * session is there still, its client is told.
   */
  look(uid: Uid, look: LookSpec, connection: ClientConnection): Promise<SessionStart | undefined>;
  /** Whether some may go on without anybody, as far as anybody has noticed. */
  mayHaveLeft(uid: Uid): boolean;
  /** Sessions of the user's that have a keeper. */
  list(uid: Uid): Promise<KeptSession[]>;
  /** Ends who looks at the session as its user, where it goes on without. `id` undefined: at all of them. */
  detach(uid: Uid, id: string | undefined): void;
  /** Has something sent to those who are at the session, of which they see nothing. */
  touch(uid: Uid, id: string): void;
  /** Of a connection of this host's; null: there is none. */
  tcpState(ends: TcpEnds): TcpState | null;
  /** Ends one of the user's ssh connections, or all of them, with everything in it. */
  disconnect(uid: Uid, id: string | undefined): void;
  /** How long the user's sessions go on without anybody, those that are there. 0: not at all; null: for ever. */
  keep(uid: Uid, id: string | undefined, forMs: number | null): void;
}

// The part of the engine's interface (engine.ts) that is about ssh connections: sshd's PAM module, or the gateway, joins each to
// its user's sandbox, so that what is opened for it is inside.

import type { DockershError } from '../lib/errors.ts';
import type { EndCause } from '../lib/values/causes.ts';
import type { ConnectionEntry } from '../lib/values/connection-entry.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { UserRecord } from './addon.ts';

/** One ssh connection that is joined to the user's sandbox; it may carry many sessions, or none. */
export interface ConnectionSpec {
  readonly id: string;
  readonly user: UserRecord;
  /** Connections of this sandbox, this one included. null: no limit of their own. */
  readonly mostConnections: number | null;
  /** The folder of the program that sshd, or the gateway, runs for this user. */
  readonly clientFolder: string;
  readonly entry: ConnectionEntry;
  /** Where it comes from, and what has authenticated it, as sshd says; only shown. */
  readonly from: string | undefined;
  readonly auth: string | undefined;
}

/** A forward of the gateway's, or what of them has been counted alone. */
export interface Forward {
  /** The connection's. */
  readonly id: string;
  /** Absent: of those that are counted alone. */
  readonly what?:
    | {
        readonly protocol: 'tcp' | 'unix' | 'agent' | 'x11';
        /** Inside: whether something listens there for the client, or the client is connected to it. */
        readonly way: 'listen' | 'connect';
        /** A host or a path, as the client has named it. */
        readonly target: string;
        readonly port: number | undefined;
        /** Why it came to nothing: an errno. */
        readonly errno: number | undefined;
      }
    | undefined;
  readonly count: number;
}

export interface ConnectionEnd {
  readonly id: string;
  readonly uid: Uid;
  /** Why it could not be joined; absent: it was. */
  readonly failure?: DockershError;
  /** Why the sandbox has ended with it; absent: it ended by itself. */
  readonly cause?: EndCause;
}

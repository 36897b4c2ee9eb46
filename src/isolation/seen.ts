// Describes sandboxes that are there, as the engine's interface (engine.ts) shows them.

import type { ConnectionEntry } from '../lib/values/connection-entry.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { ShownLimits, UsedOfLimits } from '../limits/limits.ts';

export interface SandboxSession {
  readonly id: string;
  readonly pid: number | null;
  readonly tty: string | null;
  readonly startedAt: string;
  readonly from: string | null;
  /** Since when it goes on without anybody; null: somebody is there. */
  readonly leftAt: string | null;
}

export interface SandboxConnection {
  readonly id: string;
  readonly startedAt: string;
  readonly from: string | null;
  readonly auth: string | null;
  readonly entry: ConnectionEntry;
}

export interface SandboxInfo extends ShownLimits {
  readonly uid: Uid;
  readonly user: string;
  readonly state: 'starting' | 'running' | 'stopping';
  readonly image: string;
  readonly imageDigest: string;
  readonly initPid: number | null;
  readonly sessions: SandboxSession[];
  readonly connections: SandboxConnection[];
  readonly memoryBytes: number | null;
  readonly pids: number | null;
  readonly startedAt: string;
  readonly lingerUntil: string | null;
}

/** A sandbox as it counts towards the bounds on the host, whether it runs, starts or ends. */
export interface Load {
  readonly uid: Uid;
  readonly memoryLimitBytes: number | null;
  /** Ids. */
  readonly sessions: readonly string[];
  readonly connections: readonly string[];
}

/** Of what a sandbox uses, what is counted all the time, of all sandboxes. */
export const counted = ['memoryBytes', 'pids', 'cpuUsec', 'oomKilled'] as const;
export type SandboxCounts = Pick<
  SandboxUsage,
  'uid' | 'user' | 'sessions' | 'memoryLimitBytes' | (typeof counted)[number]
>;

/** What a sandbox uses and has used; null: this host does not count it. */
export interface SandboxUsage extends ShownLimits, UsedOfLimits {
  readonly uid: Uid;
  readonly user: string;
  readonly sessions: number;
  /** Percent of the last 10 seconds in which something of it had to wait (PSI). */
  readonly pressure: { readonly cpu: number; readonly memory: number; readonly io: number } | null;
}

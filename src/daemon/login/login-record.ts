// A login as the history remembers it, and as it is shown and kept. Pure.

import type { SessionEnd } from '../../isolation/engine.ts';
import type { EndCause } from '../../lib/values/causes.ts';
import type { ConnectionEntry } from '../../lib/values/connection-entry.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { AdminLogin } from '../../protocol/admin.ts';
import type { KeptLogin } from './kept-login.ts';

/** A login as it is remembered. */
export interface Login {
  readonly id: string;
  /** The uid whose records it belongs to: the peer's, whatever user it logs in as. */
  whose: Uid;
  uid: Uid;
  user: string | undefined;
  readonly from: string | undefined;
  readonly at: string;
  /** Of an ssh connection: what sshd, or the gateway, says of it; undefined: it is a session. */
  readonly connection: ConnectionFacts | undefined;
  kind: 'warm' | 'cold';
  outcome: string;
  cause: EndCause | undefined;
  endedAt: string | undefined;
  hasEnded: boolean;
  /** How many logins in a row ended like this; this is the last of them. */
  count: number;
  /** Name and CLOCK_MONOTONIC time of each step that was reached, in order. */
  readonly marks: { name: string; ns: bigint }[];
  /** Of a login that an earlier daemon has seen, whose marks are gone. */
  readonly steps?: AdminLogin['steps'];
}

/** What has authenticated an ssh connection, and which way it came. */
export interface ConnectionFacts {
  readonly auth: string | undefined;
  readonly entry: ConnectionEntry;
}

export function outcomeOf({ outcome, cause }: Pick<SessionEnd, 'outcome' | 'cause'>): string {
  return outcome === undefined ? cause : `${outcome.kind} ${outcome.code}`;
}

export function kept(login: Login): KeptLogin {
  return { ...summary(login), whose: login.whose };
}

export function summary(login: Login): AdminLogin {
  const { id, uid, user, from, at, connection, kind, outcome, cause, endedAt, count } = login;
  const what = connection === undefined ? 'session' : 'connection';
  const auth = connection?.auth ?? null;
  const entry = connection?.entry ?? null;
  const steps = login.steps ?? stepsOf(login);
  return {
    ...{ id, uid, user: user ?? String(uid), from: from ?? null, at },
    ...{ what, auth, entry, kind, outcome, count, steps },
    ...{ cause: cause ?? null, endedAt: endedAt ?? null },
  };
}

/** Each step's own time: since the mark before it, in the order in which they happened. */
function stepsOf(login: Login): AdminLogin['steps'] {
  // A sandbox that others had asked for may have been on its way before this login began.
  const startNs = login.marks[0]?.ns ?? 0n;
  const marks = login.marks
    .filter((mark) => mark.ns > 0n && mark.ns >= startNs)
    .sort((a, b) => (a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0));
  return marks.slice(1).map((mark, index) => ({
    name: mark.name,
    us: Number(mark.ns - (marks[index]?.ns ?? mark.ns)) / 1000,
  }));
}

// Remembers the last logins, with the time that each step took, for "dockershctl logins". In memory only. A session
// that runs keeps its record; of those that have ended, whoever has the most loses some first, and the same refusal
// again and again is one record, so that nobody's logins push out another's.

import type { ConnectionEnd, SandboxStart, SessionEnd, SessionStart } from '../../isolation/engine.ts';
import type { Uid } from '../../lib/values/uid.ts';

/** Of logins that have ended, and of all. */
const kept = 1000;
const keptAtAll = 20_000;

interface Login {
  readonly id: string;
  /** The uid whose records it belongs to: the peer's, whatever user it logs in as. */
  whose: Uid;
  uid: Uid;
  user: string;
  readonly at: string;
  /** Of an ssh connection: what sshd says of it; undefined: it is a session. */
  readonly connection: ConnectionFacts | undefined;
  kind: 'warm' | 'cold';
  outcome: string;
  hasEnded: boolean;
  /** How many logins in a row ended like this; this is the last of them. */
  count: number;
  /** Name and CLOCK_MONOTONIC time of each step that was reached, in order. */
  readonly marks: { name: string; ns: bigint }[];
}

/** Where an ssh connection comes from, and what has authenticated it. */
export interface ConnectionFacts {
  readonly from: string | undefined;
  readonly auth: string | undefined;
}

export interface LoginSummary {
  readonly id: string;
  readonly uid: Uid;
  readonly user: string;
  readonly at: string;
  readonly what: 'session' | 'connection';
  readonly from: string | null;
  readonly auth: string | null;
  readonly kind: 'warm' | 'cold';
  readonly outcome: string;
  readonly count: number;
  readonly steps: { name: string; us: number }[];
}

/** What the supervisor's times mean (SessionEnd.stepsNs). */
const supervisorSteps = ['received', 'terminal', 'fork', 'exec'];

export class LoginHistory {
  readonly #logins = new Map<string, Login>();
  /** The same records by uid; those that have ended, oldest first. */
  readonly #ended = new Map<Uid, Map<string, Login>>();
  #endedCount = 0;
  /** The last login of each uid, while it is a refusal. */
  readonly #refused = new Map<Uid, Login>();
  readonly #starts = new Map<Uid, SandboxStart>();

  begin(id: string, uid: Uid, startedNs: bigint, receivedNs: bigint, connection?: ConnectionFacts): void {
    const oldest = this.#logins.values().next().value;
    if (this.#logins.size >= keptAtAll && oldest !== undefined) this.#forget(oldest);
    const start = startedNs > 0n && startedNs < receivedNs ? startedNs : receivedNs;
    this.#logins.set(id, {
      id,
      whose: uid,
      uid,
      user: String(uid),
      at: new Date().toISOString(),
      connection,
      kind: 'warm',
      outcome: 'starting',
      hasEnded: false,
      count: 1,
      marks: [
        { name: 'start', ns: start },
        { name: 'connect', ns: receivedNs },
      ],
    });
  }

  identified(id: string, user: { readonly name: string; readonly uid: Uid }): void {
    const login = this.#logins.get(id);
    if (login !== undefined) {
      Object.assign(login, { user: user.name, uid: user.uid });
      if (login.connection !== undefined) login.whose = user.uid; // its peer is sshd
    }
    this.mark(id, 'policy');
  }

  mark(id: string, name: string, ns = process.hrtime.bigint()): void {
    this.#logins.get(id)?.marks.push({ name, ns });
  }

  started(id: string, start: SessionStart): void {
    const login = this.#logins.get(id);
    if (login === undefined) return;
    login.kind = start.kind;
    if (login.outcome === 'starting') login.outcome = 'running';
    this.#refused.delete(login.whose);
    this.mark(id, 'hand over', start.handedOverNs);
  }

  failed(id: string, code: string): void {
    const login = this.#logins.get(id);
    if (login === undefined) return;
    login.outcome = code;
    this.mark(id, 'refused');
    const before = this.#refused.get(login.whose);
    if (before?.outcome === code) {
      login.count += before.count;
      this.#forget(before);
    }
    if (code.startsWith('E_')) this.#refused.set(login.whose, login);
    this.#end(login);
  }

  #end(login: Login): void {
    if (login.hasEnded) return;
    login.hasEnded = true;
    const own = this.#ended.get(login.whose) ?? new Map<string, Login>();
    this.#ended.set(login.whose, own.set(login.id, login));
    this.#endedCount += 1;
    if (this.#endedCount <= kept) return;
    let most = own;
    for (const others of this.#ended.values()) if (others.size > most.size) most = others;
    const oldest = most.values().next().value;
    if (oldest !== undefined) this.#forget(oldest);
  }

  #forget(login: Login): void {
    this.#logins.delete(login.id);
    if (this.#refused.get(login.whose) === login) this.#refused.delete(login.whose);
    const own = this.#ended.get(login.whose);
    if (own?.delete(login.id) !== true) return;
    this.#endedCount -= 1;
    if (own.size === 0) this.#ended.delete(login.whose);
  }

  /** The steps of a sandbox's start belong to the login that waits for it. */
  sandboxStarted(start: SandboxStart): void {
    this.#starts.set(start.uid, start);
  }

  ended(end: SessionEnd): void {
    const login = this.#logins.get(end.id);
    if (login === undefined) return;
    const { kind, code } = end.outcome;
    login.outcome = end.failure?.code ?? `${kind} ${code}`;
    if (login.kind === 'cold') login.marks.push(...(this.#starts.get(login.uid)?.steps ?? []));
    const steps = end.stepsNs.map((ns, index) => ({ name: supervisorSteps[index] ?? '', ns }));
    login.marks.push(...steps.filter((step) => step.ns > 0n));
    this.mark(end.id, 'end');
    this.#end(login);
  }

  disconnected({ id, failure }: ConnectionEnd): void {
    const login = this.#logins.get(id);
    if (login === undefined) return;
    login.outcome = failure?.code ?? 'closed';
    if (login.kind === 'cold') login.marks.push(...(this.#starts.get(login.uid)?.steps ?? []));
    this.mark(id, 'end');
    this.#end(login);
  }

  /** Newest first. */
  list(limit: number): LoginSummary[] {
    return [...this.#logins.values()].slice(-limit).reverse().map(summary);
  }

  find(id: string): LoginSummary | undefined {
    const login = this.#logins.get(id);
    return login === undefined ? undefined : summary(login);
  }
}

/** Each step's own time: since the mark before it, in the order in which they happened. */
function summary(login: Login): LoginSummary {
  // A sandbox that others had asked for may have been on its way before this login began.
  const startNs = login.marks[0]?.ns ?? 0n;
  const marks = login.marks
    .filter((mark) => mark.ns > 0n && mark.ns >= startNs)
    .sort((a, b) => (a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0));
  const steps = marks.slice(1).map((mark, index) => ({
    name: mark.name,
    us: Number(mark.ns - (marks[index]?.ns ?? mark.ns)) / 1000,
  }));
  const { id, uid, user, at, connection, kind, outcome, count } = login;
  const what = connection === undefined ? 'session' : 'connection';
  const facts = { what, from: connection?.from ?? null, auth: connection?.auth ?? null } as const;
  return { id, uid, user, at, ...facts, kind, outcome, count, steps };
}

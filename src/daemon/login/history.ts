// Remembers the last logins, with the time that each step took, for "dockershctl logins", and tells each change to whoever
// keeps them for the next daemon (records/ledger.ts). A session that runs keeps its record; of those that have ended, whoever
// has the most loses some first, and the same refusal again and again is one record, so that nobody's logins push out
// another's.

import type { ConnectionEnd, SandboxStart, SessionEnd, SessionStart } from '../../isolation/engine.ts';
import type { EndCause } from '../../lib/values/causes.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { AdminLogin } from '../../protocol/admin.ts';
import type { Told } from '../records/told.ts';
import { KeptLogin } from './kept-login.ts';
import { type ConnectionFacts, kept, type Login, outcomeOf, summary } from './login-record.ts';

/** Of logins that have ended, and of all. */
const mostEnded = 1000;
const keptAtAll = 20_000;

/** Which logins are asked for. */
export interface LoginFilter {
  readonly limit: number;
  /** Name or uid. */
  readonly user?: string | undefined;
  /** An address, as it was said. */
  readonly from?: string | undefined;
  /** ISO 8601 in UTC: begun at or after the one, and before the other. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Those alone that were refused, or whose program could not be started. */
  readonly failed?: boolean | undefined;
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
  readonly #starts = new Map<Uid, Pick<SandboxStart, 'uid' | 'steps'>>();
  readonly #keep: (login: KeptLogin) => void;

  constructor(keep: (login: KeptLogin) => void = () => {}) {
    this.#keep = keep;
  }

  begin(
    id: string,
    uid: Uid,
    startedNs: bigint,
    receivedNs: bigint,
    from?: string,
    connection?: ConnectionFacts,
  ): void {
    const oldest = this.#logins.values().next().value;
    if (this.#logins.size >= keptAtAll && oldest !== undefined) this.#forget(oldest);
    const start = startedNs > 0n && startedNs < receivedNs ? startedNs : receivedNs;
    this.#logins.set(id, {
      id,
      whose: uid,
      uid,
      user: undefined,
      from,
      at: new Date().toISOString(),
      connection,
      kind: 'warm',
      outcome: 'starting',
      cause: undefined,
      endedAt: undefined,
      hasEnded: false,
      count: 1,
      marks: [
        { name: 'start', ns: start },
        { name: 'connect', ns: receivedNs },
      ],
    });
  }

  /** Whose it is; known before anything else is decided. */
  named(id: string, { name: user, uid }: { readonly name: string; readonly uid: Uid }): void {
    const login = this.#logins.get(id);
    if (login === undefined) return;
    Object.assign(login, { user, uid });
    if (login.connection !== undefined) login.whose = uid; // its peer is sshd
  }

  identified(id: string, user: { readonly name: string; readonly uid: Uid }): void {
    this.named(id, user);
    this.mark(id, 'policy');
  }

  /** As records have it; undefined: it is not remembered. */
  told(id: string): Told | undefined {
    const login = this.#logins.get(id);
    if (login === undefined) return undefined;
    const { uid, user, from } = login;
    return { session: id, uid, user, from };
  }

  isOfSsh(id: string): boolean {
    return this.#logins.get(id)?.connection !== undefined;
  }

  /** How long ago it began, by the clock of the host. */
  msSince(id: string): number | undefined {
    const login = this.#logins.get(id);
    return login === undefined ? undefined : Math.max(0, Date.now() - Date.parse(login.at));
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
    this.#keep(kept(login));
  }

  /** `isKept`: also for the next daemon. */
  failed(id: string, code: string, isKept = true): void {
    const login = this.#logins.get(id);
    if (login === undefined) return;
    login.outcome = code;
    this.mark(id, 'refused');
    this.#refuse(login, code);
    this.#end(login);
    if (isKept) this.#keep(kept(login));
  }

  #refuse(login: Login, code: string): void {
    const before = this.#refused.get(login.whose);
    if (before?.outcome === code) {
      login.count += before.count;
      this.#forget(before);
    }
    if (code.startsWith('E_')) this.#refused.set(login.whose, login);
  }

  #end(login: Login, at = new Date().toISOString()): void {
    if (login.hasEnded) return;
    login.hasEnded = true;
    login.endedAt ??= at;
    const own = this.#ended.get(login.whose) ?? new Map<string, Login>();
    this.#ended.set(login.whose, own.set(login.id, login));
    this.#endedCount += 1;
    if (this.#endedCount <= mostEnded) return;
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
  sandboxStarted(start: Pick<SandboxStart, 'uid' | 'steps'>): void {
    this.#starts.set(start.uid, start);
  }

  ended(end: Omit<SessionEnd, 'user'>): void {
    const login = this.#logins.get(end.id);
    if (login === undefined) return;
    const steps = end.stepsNs.map((ns, index) => ({ name: supervisorSteps[index] ?? '', ns }));
    login.marks.push(...steps.filter((step) => step.ns > 0n));
    this.#over(login, end.failure?.code ?? outcomeOf(end), end.cause);
  }

  disconnected({ id, failure, cause }: Pick<ConnectionEnd, 'id' | 'failure' | 'cause'>): void {
    const login = this.#logins.get(id);
    if (login !== undefined) this.#over(login, failure?.code ?? 'closed', cause);
  }

  #over(login: Login, outcome: string, cause: EndCause | undefined): void {
    Object.assign(login, { outcome, cause });
    if (login.kind === 'cold') login.marks.push(...(this.#starts.get(login.uid)?.steps ?? []));
    this.mark(login.id, 'end');
    this.#end(login);
    this.#keep(kept(login));
  }

  /** Takes what an earlier daemon has kept, oldest first; what does not fit is of another version. */
  restore(entries: readonly unknown[]): void {
    const byId = new Map<string, KeptLogin>();
    for (const entry of entries) {
      const { success, data } = KeptLogin.safeParse(entry);
      if (!success) continue;
      byId.delete(data.id); // in the order of their last lines, as they ended
      byId.set(data.id, data);
    }
    const inOrder = [...byId.values()].sort((a, b) => a.at.localeCompare(b.at));
    for (const { endedAt, user, from, cause, what, auth, entry, ...login } of inOrder) {
      const restored: Login = {
        ...{ ...login, user: user ?? undefined, from: from ?? undefined, cause: cause ?? undefined },
        ...{ endedAt: endedAt ?? undefined, hasEnded: false, marks: [] },
        connection: what === 'connection' ? { auth: auth ?? undefined, entry: entry ?? 'sshd' } : undefined,
      };
      this.#logins.set(login.id, restored);
      if (restored.endedAt === undefined) continue;
      this.#refuse(restored, restored.outcome);
      this.#end(restored);
    }
  }

  /** Ids of those that are not known to have ended. */
  open(): string[] {
    return [...this.#logins.values()].filter(({ hasEnded }) => !hasEnded).map(({ id }) => id);
  }

  /** All that is to be kept for the next daemon, oldest first. */
  all(): KeptLogin[] {
    return [...this.#logins.values()].filter(({ outcome }) => outcome !== 'starting').map(kept);
  }

  /** Newest first. */
  list({ limit, user, from, since, until, failed }: LoginFilter): AdminLogin[] {
    const wanted = [...this.#logins.values()].filter(
      (login) =>
        (user === undefined || login.user === user || String(login.uid) === user) &&
        (from === undefined || login.from === from) &&
        (since === undefined || login.at >= since) &&
        (until === undefined || login.at < until) &&
        (failed !== true || login.outcome.startsWith('E_')),
    );
    return wanted.slice(-limit).reverse().map(summary);
  }

  find(id: string): AdminLogin | undefined {
    const login = this.#logins.get(id);
    return login === undefined ? undefined : summary(login);
  }
}

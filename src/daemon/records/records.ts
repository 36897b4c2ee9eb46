// Writes records of logins, sessions and sandboxes to the log: the only place that makes them. However often one user logs
// in, the log has a number of them and then a count; if it has the beginning of a session or sandbox, it also has the end.

import type {
  ConnectionEnd,
  KeptEvents,
  SandboxEnd,
  SandboxStart,
  SessionEnd,
} from '../../isolation/engine.ts';
import { type DockershError, errorCatalogue } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { Audit } from '../audit/audit.ts';
import { LogLimit } from '../login/log-limit.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type DaemonRecord, sentenceOf } from './record.ts';
import type { Told } from './told.ts';

/** Sessions of one uid. A person comes nowhere near it, a script of theirs can. */
const mostSessions = { count: 600, ms: 600_000 };
/** Sandboxes of one uid that were started. */
const mostStarts = { count: 60, ms: 600_000 };
/** Refusals of one uid and code. */
const mostRefusals = { count: 20, ms: 60_000 };
/** Processes of one uid that were ended for want of memory. */
const mostOutOfMemory = { count: 20, ms: 60_000 };
/** Changes of one uid's recordings: a disk that is nearly full is full now and then. */
const mostRecordings = { count: 20, ms: 60_000 };
/** Above all sessions that there can be; some have ended before we hear that they began. */
const mostUntold = 50_000;

type Connected = Extract<DaemonRecord, { event: 'connection-opened' }>;
type OutOfMemory = Extract<DaemonRecord, { event: 'out-of-memory' }>;
type Opened = Extract<DaemonRecord, { event: 'session-opened' }>;

type Detached = Parameters<KeptEvents['sessionDetached']>[0];
type Attached = Parameters<KeptEvents['sessionAttached']>[0];
type OfRecording = Parameters<KeptEvents['sessionRecording']>[0];

/** Who else hears of them. */
export interface RecordSinks {
  readonly audit?: Audit;
  readonly metrics?: Metrics;
}

export class Records {
  readonly #log: Logger;
  readonly #audit: Audit | undefined;
  readonly #metrics: Metrics | undefined;
  readonly #sessions: LogLimit;
  readonly #starts: LogLimit;
  readonly #refusals: LogLimit;
  readonly #outOfMemory: LogLimit;
  readonly #recordings: LogLimit;
  /** Sessions that begin just now, and what is to be told of their end. */
  readonly #opening = new Map<string, () => void>();
  /** Sessions that have no line, until they have ended; and sandboxes. */
  readonly #untold = new Set<string>();
  readonly #untoldSandboxes = new Set<Uid>();

  private constructor(log: Logger, { audit, metrics }: RecordSinks) {
    this.#log = log;
    this.#audit = audit;
    this.#metrics = metrics;
    const left = (what: string) => (more: object) => log.warn(more, what);
    this.#sessions = LogLimit.start(mostSessions, left('sessions that are not in this log'));
    this.#starts = LogLimit.start(mostStarts, left('starts of sandboxes that are not in this log'));
    this.#refusals = LogLimit.start(mostRefusals, left('logins refused that are not in this log'));
    const ended = 'processes ended for want of memory that are not in this log';
    this.#outOfMemory = LogLimit.start(mostOutOfMemory, left(ended));
    this.#recordings = LogLimit.start(mostRecordings, left('changes of recordings that are not in this log'));
  }

  static start(log: Logger, sinks: RecordSinks = {}): Records {
    return new Records(log, sinks);
  }

  #write(level: 'info' | 'warn' | 'error', record: DaemonRecord, more: object = {}): void {
    this.#log[level]({ ...record, ...more }, sentenceOf(record));
  }

  /** It is about to be opened. A short one can end before we hear that it began: its end is told after that. */
  opening(session: string): Disposable {
    this.#opening.set(session, () => {});
    return {
      [Symbol.dispose]: () => {
        const ended = this.#opening.get(session);
        this.#opening.delete(session);
        ended?.();
      },
    };
  }

  opened(about: Omit<Opened, 'event'>): void {
    if (this.#sessions.take(about.uid)) this.#write('info', { event: 'session-opened', ...about });
    else if (this.#untold.size < mostUntold) this.#untold.add(about.session);
  }

  /** `told`: as it was opened, of this daemon or an earlier one. */
  closed(end: Omit<SessionEnd, 'user'>, told: Told, ms: number | undefined): void {
    this.#audit?.closed(end, told, ms);
    this.#metrics?.closed(end);
    if (this.#opening.has(end.id)) {
      this.#opening.set(end.id, () => this.#closed(end, told, ms));
      return;
    }
    this.#closed(end, told, ms);
  }

  #closed(end: Omit<SessionEnd, 'user'>, told: Told, ms: number | undefined): void {
    if (this.#untold.delete(end.id)) return;
    const { outcome, failure, cause, by, verb } = end;
    const { kind, code } = outcome ?? {};
    this.#write('info', {
      event: 'session-closed',
      ...told,
      cause,
      by,
      verb,
      status: kind === 'exit' && failure === undefined ? code : undefined,
      signal: kind === 'signal' ? code : undefined,
      code: failure?.code,
      reason: failure?.why,
      ms,
    });
  }

  detached({ id, forMs }: Detached, told: Told): void {
    this.#audit?.detached(told, forMs);
    if (!this.#untold.has(id))
      this.#write('info', { event: 'session-detached', ...told, forMs: forMs ?? undefined });
  }

  attached({ id, viewer, looks }: Attached, told: Told): void {
    this.#audit?.attached(told, viewer, looks);
    if (!this.#untold.has(id)) this.#write('info', { event: 'session-attached', ...told, viewer, looks });
  }

  recording({ state }: OfRecording, told: Told): void {
    this.#audit?.recording(told, state);
    if (!this.#recordings.take(told.uid)) return;
    this.#write(state === 'goes-on' ? 'info' : 'error', { event: 'session-recording', ...told, state });
  }

  outOfMemory(about: Omit<OutOfMemory, 'event'>): void {
    if (!this.#outOfMemory.take(about.uid)) return;
    this.#audit?.outOfMemory(about);
    this.#write('warn', { event: 'out-of-memory', ...about });
  }

  connected(about: Omit<Connected, 'event'>): void {
    if (this.#sessions.take(about.uid, 'connection'))
      this.#write('info', { event: 'connection-opened', ...about });
    else if (this.#untold.size < mostUntold) this.#untold.add(about.session);
  }

  disconnected(end: ConnectionEnd, told: Told, ms: number | undefined): void {
    this.#audit?.disconnected(end, told, ms);
    const { failure, cause = 'hung-up' } = end;
    const tell = (): void => {
      if (this.#untold.delete(end.id)) return;
      if (failure === undefined) {
        this.#write('info', { event: 'connection-closed', ...told, cause, ms });
      } else {
        const { code, message: reason } = failure;
        this.#write('error', { event: 'connection-failed', ...told, code, reason });
      }
    };
    if (this.#opening.has(end.id)) this.#opening.set(end.id, tell);
    else tell();
  }

  /** A login that became a shell of the host, whose end nobody tells us. */
  outside(told: Told, shell: string): void {
    this.#audit?.outside(told, shell);
    if (this.#sessions.take(told.uid)) this.#write('info', { event: 'login-outside', ...told, shell });
  }

  /** Of a word of self-service that changes something, before it does. Throws E_AUDIT. */
  selfServiceBegins(told: Told, command: string): void {
    this.#audit?.selfServiceBegins(told, command);
  }

  /** A word of self-service that was answered; `failure`: it was not done. */
  selfService(told: Told, command: string, failure: DockershError | undefined): void {
    this.#audit?.selfService(told, command, failure);
    if (!this.#sessions.take(told.uid, 'self-service')) return;
    const failed = failure && { code: failure.code, reason: failure.message };
    this.#write('info', { event: 'self-service', ...told, command, ...failed });
  }

  /** False: there are so many of `whose` that this one has no line. */
  refused(told: Told, failure: DockershError, whose: Uid = told.uid): boolean {
    const { code } = failure;
    this.#audit?.refused(told, failure);
    this.#metrics?.refused(code);
    if (!this.#refusals.take(whose, code)) return false;
    const own = failure.hint !== errorCatalogue[code].adminHint;
    const hint = own ? failure.hint : undefined;
    // Everything of our own faults, the reason alone of expected ones.
    const isFault = code === 'E_INTERNAL' || code === 'E_SANDBOX_START';
    const record = { event: 'login-refused' as const, ...told, code, reason: failure.message, hint };
    this.#write('error', record, isFault ? { err: failure } : {});
    return true;
  }

  sandboxStarted(start: SandboxStart): void {
    const { uid, user, image, digest } = start;
    this.#audit?.sandboxStarted(start);
    this.#metrics?.sandboxStarted(start);
    if (this.#starts.take(uid)) this.#write('info', { event: 'sandbox-started', uid, user, image, digest });
    else this.#untoldSandboxes.add(uid);
  }

  sandboxEnded(end: SandboxEnd): void {
    const { uid, user, cause, by, verb, failure, ms } = end;
    this.#audit?.sandboxEnded(end);
    this.#metrics?.sandboxEnded(end);
    if (failure !== undefined) {
      const { code, message: reason } = failure;
      this.#write('error', { event: 'sandbox-failed', uid, user, code, reason }, { err: failure });
    } else if (!this.#untoldSandboxes.delete(uid)) {
      const level = cause === 'supervisor-died' ? 'error' : 'info';
      this.#write(level, { event: 'sandbox-ended', uid, user, cause, by, verb, ms });
    }
  }
}

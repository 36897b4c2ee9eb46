// Logs the beginning and end of sessions and of ssh connections. However often one user logs in, the log has a number of them and then a
// count; if it has the beginning of a session, it also has the end.

import type { ConnectionEnd, SessionEnd } from '../../isolation/engine.ts';
import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { LogLimit } from './log-limit.ts';

/** Sessions of one uid. A person comes nowhere near it, a script of theirs can. */
const mostSessions = { count: 600, ms: 600_000 };
/** Sandboxes of one uid that were started, and limits of theirs that were changed. */
const mostStarts = { count: 60, ms: 600_000 };
/** Above all sessions that there can be; some have ended before we hear that they began. */
const mostUntold = 50_000;

export class SessionLog {
  readonly #log: Logger;
  readonly #sessions: LogLimit;
  readonly #starts: LogLimit;
  /** Those that have no line, until they have ended. */
  readonly #untold = new Set<string>();

  private constructor(log: Logger, sessions: LogLimit, starts: LogLimit) {
    this.#log = log;
    this.#sessions = sessions;
    this.#starts = starts;
  }

  static start(log: Logger): SessionLog {
    return new SessionLog(
      log,
      LogLimit.start(mostSessions, (left) => log.warn(left, 'sessions that are not in this log')),
      LogLimit.start(mostStarts, (left) => log.warn(left, 'starts of sandboxes that are not in this log')),
    );
  }

  /** `uid`: whose sandbox it is in. */
  began(id: string, uid: Uid, about: object): void {
    if (this.#sessions.take(uid)) this.#log.info({ session: id, uid, ...about }, 'login');
    else if (this.#untold.size < mostUntold) this.#untold.add(id);
  }

  /** A login that became a shell of the host, whose end nobody tells us. */
  outside(id: string, uid: Uid, about: object): void {
    if (this.#sessions.take(uid)) this.#log.info({ session: id, uid, ...about }, 'login outside: exempt');
  }

  /** An ssh connection that has joined a sandbox. */
  connected(id: string, uid: Uid, about: object): void {
    if (this.#sessions.take(uid, 'connection'))
      this.#log.info({ connection: id, uid, ...about }, 'ssh connection');
    else if (this.#untold.size < mostUntold) this.#untold.add(id);
  }

  disconnected({ id, uid, failure }: ConnectionEnd): void {
    if (this.#untold.delete(id)) return;
    const about = { connection: id, uid };
    if (failure === undefined) this.#log.info(about, 'ssh connection ended');
    else
      this.#log.error({ ...about, failure: failure.code, problem: failure.why }, 'ssh connection not joined');
  }

  ended({ id, uid, outcome, failure }: SessionEnd): void {
    if (this.#untold.delete(id)) return;
    const problem = failure === undefined ? {} : { failure: failure.code, problem: failure.why };
    this.#log.info({ session: id, uid, ...outcome, ...problem }, 'session ended');
  }

  sandboxStarted(uid: Uid): void {
    if (this.#starts.take(uid)) this.#log.info({ uid }, 'sandbox started');
  }
}

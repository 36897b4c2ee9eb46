// Refuses logins: tells the client what to do, and the log why. However many refusals one user causes, the log and
// the launcher get a few of them, and the number of the others.

import type { ClientConnection, Disposer } from '../../isolation/socket/client-connection.ts';
import {
  type DockershError,
  errorCatalogue,
  LOGIN_FAILURE_EXIT,
  toDockershError,
  toUserMessage,
} from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { loginError } from '../../protocol/login.ts';
import type { LoginHistory } from './history.ts';
import { LogLimit } from './log-limit.ts';
import { LoginRates } from './rate.ts';

/** Lines of one uid and code. */
const mostLines = { count: 20, ms: 60_000 };
/** Refusals of one uid that a process forked for each of them sees to. */
const forks = { count: 32, ms: 16_000 };

export interface RefusalParts {
  readonly engine: Disposer;
  readonly history: LoginHistory;
  readonly log: Logger;
}

export class LoginRefusals {
  readonly #parts: RefusalParts;
  readonly #lines: LogLimit;
  readonly #forks = new LoginRates();

  private constructor(parts: RefusalParts, lines: LogLimit) {
    this.#parts = parts;
    this.#lines = lines;
  }

  static start(parts: RefusalParts): LoginRefusals {
    const { log } = parts;
    const limit = LogLimit.start(mostLines, (left) =>
      log.error(left, 'logins refused that are not in this log'),
    );
    return new LoginRefusals(parts, limit);
  }

  /** Answers the client, if nobody else has it. `uid`: whose refusal it is. Never throws. */
  refuse(id: string, client: ClientConnection, error: unknown, uid = client.uid): void {
    const { engine, log, history } = this.#parts;
    const failure = toDockershError(error);
    const { code } = failure;
    if (this.#lines.take(uid, code))
      log.error({ session: id, uid, code, ...logDetail(failure) }, 'login refused');
    history.failed(id, code);
    const answer = refusalMessage(failure, id, uid === 0 ? 'administrator' : 'user');
    if (this.#forks.take(uid, forks)) client.refuse(engine, answer);
    else client.dismiss(engine, answer);
  }
}

/** What the client of login `id` shows to its reader. Only dockershctl exec is root's. */
export function refusalMessage(
  failure: DockershError,
  id: string,
  reader: 'user' | 'administrator' = 'user',
): Buffer {
  const text = toUserMessage(failure, id, reader).replaceAll('dockersh: ', '').trimEnd();
  return loginError(text, LOGIN_FAILURE_EXIT);
}

/** What the log keeps of a refusal: everything of our own faults, the reason alone of expected ones. */
function logDetail(failure: DockershError): object {
  if (failure.code === 'E_INTERNAL' || failure.code === 'E_SANDBOX_START') return { err: failure };
  const own = failure.hint !== errorCatalogue[failure.code].adminHint;
  return { reason: failure.message, hint: own ? failure.hint : undefined };
}

// Logins that are refused: the client is told what to do, and the log why.

import type { ClientConnection, Disposer } from '../isolation/client-connection.ts';
import {
  type DockershError,
  errorCatalogue,
  LOGIN_FAILURE_EXIT,
  toDockershError,
  toUserMessage,
} from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { loginError } from '../protocol/login.ts';
import type { LoginHistory } from './login-history.ts';

/** Broken requests are somebody's mischief or mistake; a few of them in the log say it all. */
const loggedProtocolErrors = 20;
const reportMs = 60_000;

export interface RefusalParts {
  readonly engine: Disposer;
  readonly history: LoginHistory;
  readonly log: Logger;
}

export class LoginRefusals {
  readonly #parts: RefusalParts;
  /** Since they were last reported. */
  #protocolErrors = 0;

  constructor(parts: RefusalParts) {
    this.#parts = parts;
    setInterval(() => this.#report(), reportMs).unref();
  }

  /** Answers the client, if nobody else has it. `uid`: the peer's. */
  refuse(id: string, client: ClientConnection, error: unknown, uid: number): void {
    const { engine, log, history } = this.#parts;
    const failure = toDockershError(error);
    const { code } = failure;
    if (this.#isLogged(failure))
      log.error({ session: id, uid, code, ...logDetail(failure) }, 'login refused');
    history.failed(id, code);
    client.refuse(engine, refusalMessage(failure, id));
  }

  #isLogged({ code }: DockershError): boolean {
    if (code !== 'E_PROTOCOL' && code !== 'E_BUSY') return true;
    this.#protocolErrors += 1;
    return this.#protocolErrors <= loggedProtocolErrors;
  }

  #report(): void {
    const more = this.#protocolErrors - loggedProtocolErrors;
    if (more > 0) this.#parts.log.error({ more }, 'logins refused that are not in this log');
    this.#protocolErrors = 0;
  }
}

/** What the client of login `id` shows. */
export function refusalMessage(failure: DockershError, id: string): Buffer {
  const text = toUserMessage(failure, id).replaceAll('dockersh: ', '').trimEnd();
  return loginError(text, LOGIN_FAILURE_EXIT);
}

/** What the log keeps of a refusal: everything of our own faults, the reason alone of expected ones. */
function logDetail(failure: DockershError): object {
  if (failure.code === 'E_INTERNAL' || failure.code === 'E_SANDBOX_START') return { err: failure };
  // What the catalogue says to do, it says to the user: ask the administrator.
  const own = failure.hint !== errorCatalogue[failure.code].hint;
  return { reason: failure.message, hint: own ? failure.hint : undefined };
}

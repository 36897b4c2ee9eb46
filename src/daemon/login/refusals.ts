// Refuses logins: tells the client what to do, and the log why. However many refusals one user causes, the log and
// the launcher get a few of them, and the number of the others.

import type { ClientConnection, Disposer } from '../../isolation/socket/client-connection.ts';
import { type DockershError, LOGIN_FAILURE_EXIT, toDockershError, toUserMessage } from '../../lib/errors.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { loginError } from '../../protocol/login.ts';
import type { Records } from '../records/records.ts';
import type { LoginHistory } from './history.ts';
import { LoginRates } from './rate.ts';

/** Refusals of one uid that a process forked for each of them sees to. */
const forks = { count: 32, ms: 16_000 };

export interface RefusalParts {
  readonly engine: Disposer;
  readonly history: LoginHistory;
  readonly records: Records;
  /** The account's name, where it is known without asking anybody. */
  readonly nameOf: (uid: Uid) => string | undefined;
}

export class LoginRefusals {
  readonly #parts: RefusalParts;
  readonly #forks = new LoginRates();

  constructor(parts: RefusalParts) {
    this.#parts = parts;
  }

  /** Answers the client, if nobody else has it. `uid`: whose refusal it is. Never throws. */
  refuse(id: string, client: ClientConnection, error: unknown, uid = client.uid): void {
    const { engine, records, history, nameOf } = this.#parts;
    const failure = toDockershError(error);
    const told = history.told(id) ?? { session: id, uid };
    const isTold = records.refused({ ...told, user: told.user ?? nameOf(told.uid) }, failure, uid);
    history.failed(id, failure.code, isTold);
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

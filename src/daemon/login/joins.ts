// Holds the connections of sshd's PAM module, and of the gateway's monitors, from their request until a supervisor has them, or they are answered. The
// module gives up when it has heard nothing for two seconds, so each is told at once that somebody is there.

import type { ClientConnection, Disposer } from '../../isolation/socket/client-connection.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { ConnectionEntry } from '../../lib/values/connection-entry.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { type JoinRequest, parseJoin } from '../../protocol/join.ts';
import { loginWait } from '../../protocol/login.ts';
import { newSessionId } from '../../shell/session.ts';
import { signOfLifeMs, silenceMs } from './connections.ts';
import type { LoginRefusals } from './refusals.ts';

/** An ssh connection that wants to be joined to its user's sandbox. */
export interface IncomingJoin {
  readonly id: string;
  readonly request: JoinRequest;
  readonly client: ClientConnection;
  readonly entry: ConnectionEntry;
  /** When the module had connected, in nanoseconds of CLOCK_MONOTONIC. */
  readonly receivedNs: bigint;
}

type Came = Pick<IncomingJoin, 'client' | 'entry' | 'receivedNs'>;

interface JoinParts {
  readonly engine: Disposer;
  readonly refusals: LoginRefusals;
  readonly log: Logger;
  /** Has the connection joined, or answers it. What it throws is the reason of a refusal. */
  readonly join: (incoming: IncomingJoin) => Promise<void>;
  /** Where it is known already: refusals count as the user's, not as those of sshd. */
  readonly uidOf: (user: string) => Uid | undefined;
}

/** Of one account, and of all, that are under way. */
const mostPending = 128;
const mostPendingAtAll = 4096;

const busy = new DockershError('E_BUSY');
const notUnderstood = new DockershError('E_PROTOCOL');

/** The gateway says of its own connections how they have come to it. */
const entryOf = ({ entry }: Came, request: JoinRequest): ConnectionEntry =>
  entry === 'gateway' ? (request.entry ?? entry) : entry;

export class JoinConnections {
  readonly #parts: JoinParts;
  readonly #pending = new Map<string, number>();
  #pendingAtAll = 0;

  constructor(parts: JoinParts) {
    this.#parts = parts;
  }

  /** Connections on a socket that only root reaches. Owns them. */
  accept(clients: readonly ClientConnection[], entry: ConnectionEntry): void {
    const receivedNs = process.hrtime.bigint();
    for (const client of clients) {
      if (client.isTooMany || client.uid !== 0) client.dismiss(this.#parts.engine);
      else this.#look({ client, receivedNs, entry }, undefined);
    }
  }

  #look(came: Came, silence: NodeJS.Timeout | undefined): void {
    const { client } = came;
    const { engine, refusals } = this.#parts;
    const found = client.look('join');
    if (found === undefined) {
      this.#lookLater(came, silence);
      return;
    }
    clearTimeout(silence);
    const request = found instanceof Buffer ? parseJoin(found) : undefined;
    if (found === null) client.dismiss(engine);
    else if (request === undefined) refusals.refuse(newSessionId(), client, notUnderstood);
    else void this.#begin({ ...came, entry: entryOf(came, request), id: newSessionId(), request });
  }

  #lookLater(came: Came, silence: NodeJS.Timeout | undefined): void {
    const { client } = came;
    const drop = (): void => client.dismiss(this.#parts.engine);
    const timer = silence ?? setTimeout(drop, silenceMs);
    try {
      client.whenReadable(() => this.#look(came, timer));
    } catch (error) {
      this.#parts.log.error({ err: error }, 'connection');
      clearTimeout(timer);
      drop();
    }
  }

  /** Never rejects. */
  async #begin(incoming: IncomingJoin): Promise<void> {
    const { id, client, request } = incoming;
    const { refusals, join, uidOf } = this.#parts;
    client.tell(loginWait());
    const alive = setInterval(() => client.tell(loginWait()), signOfLifeMs);
    const count = this.#pending.get(request.user) ?? 0;
    const isBusy = count >= mostPending || this.#pendingAtAll >= mostPendingAtAll;
    this.#count(request.user, 1);
    try {
      if (isBusy) throw busy;
      await join(incoming);
    } catch (error) {
      refusals.refuse(id, client, error, uidOf(request.user));
    } finally {
      clearInterval(alive);
      this.#count(request.user, -1);
    }
  }

  #count(user: string, change: 1 | -1): void {
    const left = (this.#pending.get(user) ?? 0) + change;
    if (left === 0) this.#pending.delete(user);
    else this.#pending.set(user, left);
    this.#pendingAtAll += change;
  }
}

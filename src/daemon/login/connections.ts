// Holds login clients from their connection until they are answered, or given away with their session: identifies
// them (by the kernel's word), bounds how many of one uid there are, takes turns between uids, times out those that
// are silent, and that one who has to wait knows that somebody is there.

import type { ClientConnection, Disposer } from '../../isolation/socket/client-connection.ts';
import { Counts } from '../../lib/async/counts.ts';
import { Turns } from '../../lib/async/turns.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { type LoginRequest, loginWait, parseLogin } from '../../protocol/login.ts';
import { newSessionId } from '../../shell/session.ts';
import type { LoginRefusals } from './refusals.ts';

/** A login that has been asked for. */
export interface IncomingLogin {
  /** Of the session that it will be. */
  readonly id: string;
  readonly request: LoginRequest;
  /** Whose sandbox it is for: a uid, or what root has said. */
  readonly whose: Uid | string;
  readonly client: ClientConnection;
  readonly peerUid: Uid;
  /** When the client had connected, in nanoseconds of CLOCK_MONOTONIC. */
  readonly receivedNs: bigint;
}

export interface ConnectionParts {
  readonly engine: Disposer;
  readonly refusals: LoginRefusals;
  readonly log: Logger;
  /** Has the login become a session, or answers its client. What it throws is the reason of a refusal. */
  readonly login: (incoming: IncomingLogin) => Promise<void>;
}

/** Whose sandbox a request is for; undefined: it may not say that on this socket. */
type Whose = (request: LoginRequest, peerUid: Uid) => Uid | string | undefined;

interface Arrived {
  readonly client: ClientConnection;
  readonly whose: Whose;
  readonly receivedNs: bigint;
  /** Ends its being counted. */
  readonly settle: () => void;
  /** Runs while it is silent. */
  silence: NodeJS.Timeout | undefined;
}

/** How long a client that has connected may take to say what it wants. */
export const silenceMs = 10_000;
/** A client that hears nothing takes us for dead after 75 seconds (native/login/main.c). */
export const signOfLifeMs = 20_000;
/** Logins of one uid that are under way: connected, and not yet a session or refused. */
const mostPending = 128;
/** Of all uids. Above it, one uid may have a few: some can be many uids (subuid(5)). */
const mostPendingAtAll = 4096;
const fewPending = 4;
/** How long clients are served before others of the daemon's work have their turn. */
const sliceMs = 2;

// Made once: a flood of them must not cost a stack trace each.
const busy = new DockershError('E_BUSY');
const notUnderstood = new DockershError('E_PROTOCOL');

export class LoginConnections {
  readonly #parts: ConnectionParts;
  readonly #pending = new Counts<Uid>();
  /** By uid. Nobody has been looked at yet, or not since there is something to look at. */
  readonly #turns = new Turns<number, Arrived>();
  #isPlanned = false;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  /** Connections on the login socket, from anybody. Owns them. */
  accept(clients: readonly ClientConnection[]): void {
    this.#arrive(clients, (request, peerUid) => (request.user === undefined ? peerUid : undefined));
  }

  /** Connections on the exec socket, which only root reaches; the request says whose sandbox. Owns them. */
  acceptExec(clients: readonly ClientConnection[]): void {
    this.#arrive(clients, (request, peerUid) => (peerUid === 0 ? request.user : undefined));
  }

  #arrive(clients: readonly ClientConnection[], whose: Whose): void {
    const receivedNs = process.hrtime.bigint();
    for (const client of clients) {
      const settle = client.isTooMany ? undefined : this.#count(client.uid);
      if (client.isTooMany) client.dismiss(this.#parts.engine);
      else if (settle === undefined) this.#parts.refusals.refuse(newSessionId(), client, busy);
      else this.#turns.add(client.uid, { client, whose, receivedNs, settle, silence: undefined });
    }
    if (!this.#isPlanned) this.#serve();
  }

  /** Counts a login of this uid; undefined where there are too many. The result ends the count. */
  #count(uid: Uid): (() => void) | undefined {
    const most = this.#pending.total < mostPendingAtAll ? mostPending : fewPending;
    return this.#pending.of(uid) >= most ? undefined : this.#pending.add(uid);
  }

  /** Serves clients in turns until nobody waits or the time is up. */
  #serve(): void {
    this.#isPlanned = false;
    const until = performance.now() + sliceMs;
    for (let next = this.#turns.next(); next !== undefined; next = this.#turns.next()) {
      this.#look(next);
      if (performance.now() < until) continue;
      this.#isPlanned = true;
      setImmediate(() => this.#serve()); // after whatever else there is to read
      return;
    }
  }

  /** Most clients have sent their message by now. */
  #look(arrived: Arrived): void {
    const { client, settle } = arrived;
    const found = client.look();
    if (found === undefined) {
      this.#lookLater(arrived);
      return;
    }
    clearTimeout(arrived.silence);
    if (found === null) {
      client.dismiss(this.#parts.engine);
      settle();
    } else if (found === false) {
      this.#parts.refusals.refuse(newSessionId(), client, notUnderstood);
      settle();
    } else {
      void this.#begin(found, arrived);
    }
  }

  #lookLater(arrived: Arrived): void {
    const { client, settle } = arrived;
    const drop = (): void => {
      clearTimeout(arrived.silence);
      client.dismiss(this.#parts.engine);
      settle();
    };
    arrived.silence ??= setTimeout(drop, silenceMs);
    try {
      client.whenReadable(() => {
        this.#turns.add(client.uid, arrived);
        if (!this.#isPlanned) this.#serve();
      });
    } catch (error) {
      this.#parts.log.error({ err: error }, 'a login could not be received');
      drop();
    }
  }

  /** Never rejects. */
  async #begin(data: Buffer, { client, whose, receivedNs, settle }: Arrived): Promise<void> {
    const id = newSessionId();
    const { uid: peerUid } = client;
    const alive = setInterval(() => client.tell(loginWait()), signOfLifeMs);
    try {
      const request = parseLogin(data);
      const user = request === undefined ? undefined : whose(request, peerUid);
      if (request === undefined || user === undefined) throw notUnderstood;
      await this.#parts.login({ id, client, peerUid, receivedNs, request, whose: user });
    } catch (error) {
      this.#parts.refusals.refuse(id, client, error);
    } finally {
      clearInterval(alive);
      settle();
    }
  }
}

// Login clients from when they connect until they are answered, or have been given away with their session: who they
// are (the kernel says), how many of one uid there may be, how long one may be silent, and that one who has to wait
// knows that somebody is there.

import { ClientConnection, type Disposer } from '../isolation/client-connection.ts';
import type { SeqpacketConnection } from '../isolation/seqpacket.ts';
import { DockershError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type LoginRequest, loginDismissal, loginWait, parseLogin } from '../protocol/login.ts';
import { newSessionId } from '../shell/session.ts';
import type { LoginRefusals } from './login-refusals.ts';

/** A login that has been asked for. */
export interface IncomingLogin {
  /** Of the session that it will be. */
  readonly id: string;
  readonly request: LoginRequest;
  /** Whose sandbox it is for: a uid, or what root has said. */
  readonly whose: number | string;
  readonly client: ClientConnection;
  readonly peerUid: number;
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
type Whose = (request: LoginRequest, peerUid: number) => number | string | undefined;

/** How long a client that has connected may take to say what it wants. */
const silenceMs = 10_000;
/** A client that hears nothing takes us for dead after 75 seconds (native/login/main.c). */
const signOfLifeMs = 20_000;
/** Logins of one uid that are under way: connected, and not yet a session or refused. */
const mostPending = 128;

export class LoginConnections {
  readonly #parts: ConnectionParts;
  readonly #pending = new Map<number, number>();

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  /** A connection on the login socket, from anybody. Owns it. */
  accept(connection: SeqpacketConnection): void {
    this.#await(connection, (request, peerUid) => (request.user === undefined ? peerUid : undefined));
  }

  /** A connection on the exec socket, which only root reaches; the request says whose sandbox. Owns it. */
  acceptExec(connection: SeqpacketConnection): void {
    this.#await(connection, (request, peerUid) => (peerUid === 0 ? request.user : undefined));
  }

  #await(connection: SeqpacketConnection, whose: Whose): void {
    const receivedNs = process.hrtime.bigint();
    const { uid: peerUid } = connection.peer();
    const settle = this.#count(peerUid);
    if (settle === undefined) {
      const client = new ClientConnection(connection.release());
      this.#parts.refusals.refuse(newSessionId(), client, new DockershError('E_BUSY'), peerUid);
      return;
    }
    const drop = (): void => {
      clearTimeout(timer);
      new ClientConnection(connection.release()).refuse(this.#parts.engine, loginDismissal());
      settle();
    };
    const timer = setTimeout(drop, silenceMs);
    // Most clients have sent their message by now, and so save a turn of the event loop.
    connection.awaitFirst({
      end: drop,
      message: (data) => {
        clearTimeout(timer);
        const client = new ClientConnection(connection.release());
        const alive = setInterval(() => client.tell(loginWait()), signOfLifeMs);
        this.#received(data, whose, { id: newSessionId(), client, peerUid, receivedNs })
          .finally(() => {
            clearInterval(alive);
            settle();
          })
          .catch((error: unknown) => this.#parts.log.fatal({ err: error }, 'login'));
      },
    });
  }

  /** Counts a login of this uid; undefined where there are too many. The result ends the count. */
  #count(uid: number): (() => void) | undefined {
    const pending = this.#pending.get(uid) ?? 0;
    if (pending >= mostPending) return undefined;
    this.#pending.set(uid, pending + 1);
    return () => {
      const left = (this.#pending.get(uid) ?? 1) - 1;
      if (left === 0) this.#pending.delete(uid);
      else this.#pending.set(uid, left);
    };
  }

  async #received(
    data: Buffer,
    whose: Whose,
    arrived: Omit<IncomingLogin, 'request' | 'whose'>,
  ): Promise<void> {
    const { id, client, peerUid } = arrived;
    try {
      const request = parseLogin(data);
      const user = request === undefined ? undefined : whose(request, peerUid);
      if (request === undefined || user === undefined) throw new DockershError('E_PROTOCOL');
      await this.#parts.login({ ...arrived, request, whose: user });
    } catch (error) {
      this.#parts.refusals.refuse(id, client, error, peerUid);
    }
  }
}

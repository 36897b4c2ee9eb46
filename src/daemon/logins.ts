// What happens to a login: who is it (the kernel says), what may they have (the policy says), which sandbox.
// The one place where the parts meet. Every way out either hands the client's connection to a supervisor or
// answers it with a refusal that names the session; nothing is ever run on the host.

import type { ImageStore } from '../images/image-store.ts';
import type { Engine, SandboxSpec, UserRecord } from '../isolation/engine.ts';
import { type Packet, SeqpacketConnection } from '../isolation/seqpacket.ts';
import type { Users } from '../isolation/users.ts';
import { DockershError, LOGIN_FAILURE_EXIT, toDockershError, toUserMessage } from '../lib/errors.ts';
import { closeAll, OwnedFd } from '../lib/fd.ts';
import type { Logger } from '../lib/log.ts';
import type { EffectivePolicy } from '../policy/policy.ts';
import { type LoginRequest, loginError, loginFdCount, parseLogin } from '../protocol/login.ts';
import { imageEnvironment } from '../shell/environment.ts';
import { chooseShell, loginSource, newSessionId, type ShellChoice, sessionOf } from '../shell/session.ts';
import type { LoginHistory } from './login-history.ts';
import type { PolicyStore } from './policy-store.ts';

export interface LoginParts {
  readonly policy: PolicyStore;
  readonly users: Users;
  readonly images: ImageStore;
  readonly engine: Engine;
  readonly history: LoginHistory;
  readonly log: Logger;
}

/** Whose sandbox a request is for; undefined: it may not say that on this socket. */
type Whose = (request: LoginRequest, peerUid: number) => number | string | undefined;

/** How long a client that has connected may take to say what it wants. */
const silenceMs = 10_000;
/** Clients that have connected and said nothing yet, for each uid. */
const mostSilent = 256;

export class LoginService {
  readonly #parts: LoginParts;
  readonly #silent = new Map<number, number>();

  constructor(parts: LoginParts) {
    this.#parts = parts;
  }

  /** A connection on the login socket, from anybody. Owns it. */
  accept(connection: SeqpacketConnection): void {
    this.#await(connection, (request, peerUid) => (request.user === undefined ? peerUid : undefined));
  }

  /** A connection on the exec socket, which only root reaches; the request says whose sandbox. */
  acceptExec(connection: SeqpacketConnection): void {
    if (connection.peer().uid !== 0) {
      connection[Symbol.dispose]();
      return;
    }
    this.#await(connection, (request) => request.user);
  }

  #await(connection: SeqpacketConnection, whose: Whose): void {
    const receivedNs = process.hrtime.bigint();
    const { uid } = connection.peer();
    const waiting = this.#silent.get(uid) ?? 0;
    if (waiting >= mostSilent) {
      connection[Symbol.dispose]();
      return;
    }
    this.#silent.set(uid, waiting + 1);
    const timer = setTimeout(() => finish(), silenceMs);
    const settle = (): void => {
      clearTimeout(timer);
      const left = (this.#silent.get(uid) ?? 1) - 1;
      if (left === 0) this.#silent.delete(uid);
      else this.#silent.set(uid, left);
    };
    const finish = (): void => {
      settle();
      connection[Symbol.dispose]();
    };
    const message = (packet: Packet): void => {
      settle();
      this.#received(connection.release(), packet, whose, receivedNs, uid);
    };
    // Most clients have sent their message by now, and so save a turn of the event loop.
    connection.listen({ end: finish, message }, true);
  }

  #received(connection: OwnedFd, packet: Packet, whose: Whose, receivedNs: bigint, peerUid: number): void {
    const id = newSessionId();
    const request = parseLogin(packet.data);
    const user =
      request === undefined || packet.fds.length !== loginFdCount ? undefined : whose(request, peerUid);
    const login =
      request === undefined || user === undefined
        ? Promise.reject(new DockershError('E_PROTOCOL'))
        : this.#login(id, request, user, { connection, standard: packet.fds }, receivedNs, peerUid);
    login
      .catch((error: unknown) => this.#refuse(id, connection, error, peerUid))
      .finally(() => {
        closeAll([...packet.fds, connection]);
      })
      .catch((error: unknown) => this.#parts.log.fatal({ err: error }, 'login'));
  }

  #refuse(id: string, connection: OwnedFd, error: unknown, uid: number): void {
    const { log, history } = this.#parts;
    const failure = toDockershError(error);
    log.error({ session: id, uid, code: failure.code, err: failure }, 'login refused');
    history.failed(id, failure.code);
    using answer = new SeqpacketConnection(new OwnedFd(connection.take()));
    try {
      answer.send(
        loginError(toUserMessage(failure, id).replaceAll('dockersh: ', '').trimEnd(), LOGIN_FAILURE_EXIT),
      );
    } catch (sendError) {
      log.debug({ session: id, err: sendError }, 'the client has gone');
    }
  }

  async #login(
    id: string,
    request: LoginRequest,
    whose: number | string,
    descriptors: { connection: OwnedFd; standard: readonly OwnedFd[] },
    receivedNs: bigint,
    peerUid: number,
  ): Promise<void> {
    const { engine, history, log, policy: policies } = this.#parts;
    history.begin(id, peerUid, request.startedNs, receivedNs);
    const reload = policies.refresh();
    if (reload !== undefined) await reload;
    const user =
      (typeof whose === 'number' ? this.#parts.users.remembered(whose) : undefined) ??
      (await this.#find(whose));
    const policy = this.#policyOf(user);
    const shell = chooseShell(policy.shell, user);
    history.identified(id, user);
    const start = await engine.startSession(user.uid, sessionOf(id, request, user, shell), descriptors, () =>
      this.#describe(user, policy, shell),
    );
    history.started(id, start);
    log.info(
      {
        session: id,
        uid: user.uid,
        user: user.name,
        kind: start.kind,
        image: policy.image,
        digest: start.imageDigest,
        from: loginSource(request),
        by: whose === peerUid ? undefined : peerUid,
      },
      'login',
    );
  }

  async #find(whose: number | string): Promise<UserRecord> {
    const user = await this.#parts.users.find(whose);
    if (user !== undefined) return user;
    throw new DockershError('E_NO_POLICY', { why: `this host knows no user ${whose}` });
  }

  #policyOf(user: UserRecord): EffectivePolicy {
    if (user.uid === 0) throw new DockershError('E_ROOT_LOGIN');
    const evaluation = this.#parts.policy.evaluate(user.name);
    if (evaluation.kind === 'refused') {
      throw new DockershError(evaluation.code, { why: `the policy names no image for ${user.name}` });
    }
    return evaluation.policy;
  }

  async #describe(user: UserRecord, policy: EffectivePolicy, shell: ShellChoice): Promise<SandboxSpec> {
    const image = await this.#parts.images.resolve(policy.image);
    if (image === undefined) {
      throw new DockershError('E_IMAGE_MISSING', {
        what: `image "${policy.image}" of ${user.name}`,
        why: 'there is none of this name',
        hint: `Import it: dockershctl image import ${policy.image} PATH`,
      });
    }
    return {
      ...policy,
      user,
      shell: shell.path,
      image: { ...image, env: imageEnvironment(image.config.env) },
    };
  }
}

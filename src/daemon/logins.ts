// What happens to a login: who is it (the kernel says), what may they have (the policy says), which sandbox.
// The one place where the parts meet. Every way out either hands the client's connection to a supervisor or
// answers it: with a refusal that names the session, or with word that the account is exempt. Nothing is ever run
// on the host by us; the exempt account's own client becomes its shell there.

import type { ResolvedImage } from '../images/image-store.ts';
import { ClientConnection } from '../isolation/client-connection.ts';
import type { Engine, SandboxImage, SandboxSpec, UserRecord } from '../isolation/engine.ts';
import type { SeqpacketConnection } from '../isolation/seqpacket.ts';
import type { Users } from '../isolation/users.ts';
import {
  DockershError,
  errorCatalogue,
  LOGIN_FAILURE_EXIT,
  toDockershError,
  toUserMessage,
} from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { EffectivePolicy, Evaluation, SectionPolicy } from '../policy/policy.ts';
import { formatProblem, type Problem } from '../policy/problem.ts';
import {
  type LoginRequest,
  loginDismissal,
  loginError,
  loginOutside,
  loginWait,
  parseLogin,
} from '../protocol/login.ts';
import { imageEnvironment } from '../shell/environment.ts';
import { resolveImageUser } from '../shell/image-user.ts';
import {
  chooseShell,
  hostShell,
  loginSource,
  newSessionId,
  type ShellChoice,
  sessionOf,
} from '../shell/session.ts';
import type { Admission } from './admission.ts';
import type { LoginHistory } from './login-history.ts';
import { LoginRates } from './login-rate.ts';
import type { Given, OwnSettings } from './own-settings.ts';
import type { PolicyStore } from './policy-store.ts';
import type { UserLayers } from './user-layers.ts';

export interface LoginParts {
  readonly policy: PolicyStore;
  readonly ownSettings: OwnSettings;
  readonly users: Users;
  readonly layers: UserLayers;
  readonly engine: Engine;
  readonly history: LoginHistory;
  readonly admission: Admission;
  readonly log: Logger;
}

/** Whose sandbox a request is for; undefined: it may not say that on this socket. */
type Whose = (request: LoginRequest, peerUid: number) => number | string | undefined;

/** How long a client that has connected may take to say what it wants. */
const silenceMs = 10_000;
/** A client that hears nothing takes us for dead after 75 seconds (native/login/main.c). */
const signOfLifeMs = 20_000;
/** Logins of one uid that are under way: connected, and not yet a session or refused. */
const mostPending = 128;
/** Broken requests are somebody's mischief or mistake; a few of them in the log say it all. */
const loggedProtocolErrors = 20;
/** Of a user's own file, on their terminal. */
const mostNotices = 5;

export class LoginService {
  readonly #parts: LoginParts;
  readonly #pending = new Map<number, number>();
  readonly #rates = new LoginRates();
  #protocolErrors = 0;

  constructor(parts: LoginParts) {
    this.#parts = parts;
    setInterval(() => this.#reportProtocolErrors(), 60_000).unref();
  }

  /** A connection on the login socket, from anybody. Owns it. */
  accept(connection: SeqpacketConnection): void {
    this.#await(connection, (request, peerUid) => (request.user === undefined ? peerUid : undefined));
  }

  /** A connection on the exec socket, which only root reaches; the request says whose sandbox. */
  acceptExec(connection: SeqpacketConnection): void {
    this.#await(connection, (request, peerUid) => (peerUid === 0 ? request.user : undefined));
  }

  #await(connection: SeqpacketConnection, whose: Whose): void {
    const receivedNs = process.hrtime.bigint();
    const { uid } = connection.peer();
    const settle = this.#count(uid);
    if (settle === undefined) {
      this.#refuse(
        newSessionId(),
        new ClientConnection(connection.release()),
        new DockershError('E_BUSY'),
        uid,
      );
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
        this.#received(client, data, whose, receivedNs, uid)
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
    client: ClientConnection,
    data: Buffer,
    whose: Whose,
    receivedNs: bigint,
    peerUid: number,
  ): Promise<void> {
    const id = newSessionId();
    try {
      const request = parseLogin(data);
      const user = request === undefined ? undefined : whose(request, peerUid);
      if (request === undefined || user === undefined) throw new DockershError('E_PROTOCOL');
      await this.#login(id, request, user, client, receivedNs, peerUid);
    } catch (error) {
      this.#refuse(id, client, error, peerUid);
    }
  }

  #refuse(id: string, client: ClientConnection, error: unknown, uid: number): void {
    const { engine, log, history } = this.#parts;
    const failure = toDockershError(error);
    const { code } = failure;
    if (code === 'E_PROTOCOL' || code === 'E_BUSY') this.#protocolErrors += 1;
    const counted =
      (code === 'E_PROTOCOL' || code === 'E_BUSY') && this.#protocolErrors > loggedProtocolErrors;
    if (!counted) log.error({ session: id, uid, code, ...logDetail(failure) }, 'login refused');
    history.failed(id, code);
    client.refuse(
      engine,
      loginError(toUserMessage(failure, id).replaceAll('dockersh: ', '').trimEnd(), LOGIN_FAILURE_EXIT),
    );
  }

  #reportProtocolErrors(): void {
    const more = this.#protocolErrors - loggedProtocolErrors;
    if (more > 0) this.#parts.log.error({ more }, 'logins refused that are not in this log');
    this.#protocolErrors = 0;
  }

  async #login(
    id: string,
    request: LoginRequest,
    whose: number | string,
    client: ClientConnection,
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
    if (this.#isExempt(user)) {
      this.#leaveOutside(id, request, user, client);
      return;
    }
    const given = this.#givenTo(user);
    const { evaluation, own, problems } = given instanceof Promise ? await given : given;
    const policy = policyOf(evaluation);
    if (request.user === undefined) this.#admit(user, policy);
    const shell = chooseShell(policy.shell, user);
    history.identified(id, user);
    // Root's own commands are never kept out.
    using _place =
      request.user === undefined
        ? await this.#parts.admission.enter({ id, uid: user.uid, memoryBytes: policy.memoryBytes })
        : undefined;
    const session = sessionOf(id, request, user, shell, withNotice(policy, problems));
    const start = await engine.startSession(user.uid, session, client, () =>
      this.#describe(user, policy, own, shell),
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
        asImageUser: session.asImageUser || undefined,
        by: whose === peerUid ? undefined : peerUid,
      },
      'login',
    );
  }

  /** By root's policy alone: nothing that the user may set or has written is looked at. */
  #isExempt(user: UserRecord): boolean {
    if (user.uid === 0) return false; // its client does not ask; a stranger's that does is refused
    const evaluation = this.#parts.policy.evaluate(user);
    return evaluation.kind === 'ok' && evaluation.policy.exempt === 'yes';
  }

  /** Its own client becomes a shell of the host. Nobody else gets one there, root's dockersh-exec included. */
  #leaveOutside(id: string, request: LoginRequest, user: UserRecord, client: ClientConnection): void {
    const { engine, log, history } = this.#parts;
    const { uid, name } = user;
    if (request.user !== undefined) {
      throw new DockershError('E_NO_POLICY', { why: `the policy exempts ${name}: there is no sandbox` });
    }
    const shell = hostShell(user);
    history.identified(id, user);
    history.failed(id, 'outside');
    log.info({ session: id, uid, user: name, shell, from: loginSource(request) }, 'login outside: exempt');
    client.refuse(engine, loginOutside(shell));
  }

  /** What keeps users out, and root's commands in their sandboxes not. Throws E_MAINTENANCE, E_LOGIN_RATE. */
  #admit(user: UserRecord, { maintenance, loginRate }: EffectivePolicy): void {
    if (maintenance !== null) throw new DockershError('E_MAINTENANCE', { userDetail: maintenance });
    if (loginRate !== null && !this.#rates.take(user.uid, loginRate)) throw new DockershError('E_LOGIN_RATE');
  }

  async #find(whose: number | string): Promise<UserRecord> {
    const user = await this.#parts.users.find(whose);
    if (user !== undefined) return user;
    throw new DockershError('E_NO_POLICY', { why: `this host knows no user ${whose}` });
  }

  #givenTo(user: UserRecord): Given | Promise<Given> {
    if (user.uid === 0) throw new DockershError('E_ROOT_LOGIN');
    return this.#parts.ownSettings.given(user);
  }

  async #describe(
    user: UserRecord,
    policy: EffectivePolicy,
    own: readonly SectionPolicy[],
    shell: ShellChoice,
  ): Promise<SandboxSpec> {
    const { image, layer, notice } = await this.#parts.layers.imageAtStart(user, policy, this.#parts.log);
    return {
      ...policy,
      settings: this.#parts.policy.settingsOf(user, own),
      user,
      layer,
      notice,
      shell: shell.path,
      image: {
        ...image,
        env: imageEnvironment(image.config.env),
        workingDir: folderInside(image.config.workingDir),
        user: this.#imageUser(image, user, policy),
      },
    };
  }

  #imageUser(image: ResolvedImage, user: UserRecord, policy: EffectivePolicy): SandboxImage['user'] {
    const found = resolveImageUser(image.config.user, image);
    if (found?.kind === 'ids') return found.identity;
    if (found?.kind === 'unknown') return { why: found.why };
    if (found?.kind === 'root' && policy.imageUser !== 'ignore') {
      const about = { uid: user.uid, user: user.name, image: image.name };
      this.#parts.log.warn(about, "image_user: the image's User is root, so commands run as the user");
    }
    return undefined;
  }
}

function policyOf(evaluation: Evaluation): EffectivePolicy {
  if (evaluation.kind === 'ok') return evaluation.policy;
  throw new DockershError(evaluation.code, { why: evaluation.why });
}

/** What of the user's own file does not count is said where they see it, after what root has to say. */
function withNotice(policy: EffectivePolicy, problems: readonly Problem[]): EffectivePolicy {
  if (problems.length === 0) return policy;
  const lines = problems.slice(0, mostNotices).map((problem) => `dockersh: ${formatProblem(problem)}`);
  const plain = lines.map((line) => line.replaceAll(/\p{Cc}/gu, '?').slice(0, 300));
  return { ...policy, banner: [...(policy.banner === null ? [] : [policy.banner]), ...plain].join('\n') };
}

/** What the log keeps of a refusal: everything of our own faults, the reason alone of expected ones. */
function logDetail(failure: DockershError): object {
  if (failure.code === 'E_INTERNAL' || failure.code === 'E_SANDBOX_START') return { err: failure };
  // What the catalogue says to do, it says to the user: ask the administrator.
  const own = failure.hint !== errorCatalogue[failure.code].hint;
  return { reason: failure.message, hint: own ? failure.hint : undefined };
}

/** An image is a stranger's work: what is no absolute path counts as nothing. */
function folderInside(workingDir: string | undefined): string | undefined {
  return workingDir !== undefined && /^\/[^\0]*$/.test(workingDir) ? workingDir : undefined;
}

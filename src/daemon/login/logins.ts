// Takes a login from its connection to its session: who it is (the kernel says), what they may have (the policy
// says), which sandbox. All parts meet here and nowhere else. Every way out hands the client's connection to a
// supervisor, throws why the login is refused, or tells the client that the account is exempt. Nothing is ever run on
// the host by us; the exempt account's own client becomes its shell there.

import path from 'node:path';
import type { Engine, UserRecord } from '../../isolation/engine.ts';
import type { Networks } from '../../isolation/network/networks.ts';
import type { Users } from '../../isolation/users.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { EffectivePolicy, Evaluation } from '../../policy/policy.ts';
import { formatProblem, type Problem } from '../../policy/problem.ts';
import { loginOutside } from '../../protocol/login.ts';
import { authenticatedBy } from '../../shell/authenticated.ts';
import { type OwnCommand, ownCommandOfLogin } from '../../shell/own-command.ts';
import {
  chooseShell,
  hostShell,
  isAtTerminal,
  loginSource,
  sessionOf,
  sourceText,
} from '../../shell/session.ts';
import type { UserLayers } from '../../users/layers.ts';
import type { UserStore } from '../../users/store.ts';
import type { Audit } from '../audit/audit.ts';
import { auditCommand } from '../audit/command.ts';
import { lookAt } from '../kept/look.ts';
import { type Reattach, reattachOf } from '../kept/reattach.ts';
import { watch } from '../kept/watch.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { UserNotices } from '../notices/notices.ts';
import type { Given, OwnSettings } from '../policy/own-settings.ts';
import type { PolicyStore } from '../policy/policy-store.ts';
import { recordingOf, withRecordingNotice } from '../recordings/of-login.ts';
import type { Recordings } from '../recordings/recordings.ts';
import type { Records } from '../records/records.ts';
import type { SelfService } from '../self-service/self-service.ts';
import type { Admission } from './admission.ts';
import type { IncomingLogin } from './connections.ts';
import type { LoginHistory } from './history.ts';
import type { InternalSftp } from './internal-sftp.ts';
import type { IncomingJoin } from './joins.ts';
import { LoginRates } from './rate.ts';
import { prepareSandbox } from './sandbox-spec.ts';
import type { SystemCalls } from './system-calls.ts';

export interface LoginParts {
  readonly policy: PolicyStore;
  readonly ownSettings: OwnSettings;
  readonly users: Users;
  readonly store: UserStore;
  readonly layers: UserLayers;
  readonly systemCalls: SystemCalls;
  readonly internalSftp: InternalSftp;
  readonly networks: Networks;
  readonly engine: Engine;
  readonly history: LoginHistory;
  readonly admission: Admission;
  readonly selfService: SelfService;
  readonly notices: UserNotices;
  readonly records: Records;
  readonly audit: Audit;
  readonly recordings: Recordings;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Of a user's own file, on their terminal. */
const mostNotices = 5;
const mostOfLine = 1000;

export class LoginService {
  readonly #parts: LoginParts;
  readonly #rates = new LoginRates();
  /** Of ssh connections, which are counted apart from the sessions in them. */
  readonly #connectionRates = new LoginRates();

  constructor(parts: LoginParts) {
    this.#parts = parts;
  }

  /** Resolves when the client belongs to somebody else or has its answer; throws why it gets no session. */
  async login(incoming: IncomingLogin): Promise<void> {
    const { id, request, whose, peerUid, receivedNs } = incoming;
    const { history } = this.#parts;
    history.begin(id, peerUid, request.startedNs, receivedNs, loginSource(request));
    const user = await this.#userOf(whose);
    history.named(id, user);
    if (this.#isExempt(user)) {
      this.#leaveOutside(incoming, user);
      return;
    }
    const given = this.#owned(user);
    await this.#enter(incoming, user, given instanceof Promise ? await given : given);
  }

  /** The same for an ssh connection, which sshd's module or the gateway asks for. */
  async join({ id, request, client, receivedNs, entry }: IncomingJoin): Promise<void> {
    const { engine, history, records, admission } = this.#parts;
    const from = sourceText(request.from);
    const auth = authenticatedBy(request.auth);
    history.begin(id, 0 as Uid, request.startedNs, receivedNs, from, { auth, entry });
    const user = await this.#userOf(request.user);
    history.identified(id, user);
    const about = { session: id, uid: user.uid, user: user.name, from };
    if (this.#isExempt(user)) {
      // What comes by the gateway gets a sandbox, or nothing.
      if (entry !== 'sshd') throw new DockershError('E_EXEMPT');
      history.failed(id, 'outside');
      const outside = hostShell(user);
      records.outside(about, outside);
      client.refuse(engine, loginOutside(outside));
      return;
    }
    const { evaluation, own } = await this.#owned(user);
    const policy = policyOf(evaluation);
    this.#admit(user, policy, this.#connectionRates);
    if (entry === 'sshd') await this.#parts.internalSftp.refuse(user.name, from);
    const shell = chooseShell(policy.shell, user);
    const { memoryLimitBytes, mostSessions: mostConnections } = policy;
    using _place = await admission.enter({ id, uid: user.uid, memoryLimitBytes, what: 'connection' });
    const clientFolder = request.clientFolder ?? path.posix.dirname(user.shell);
    this.#parts.audit.connection({ ...about, ...this.#given(user, policy) }, auth, entry);
    using _opening = records.opening(id);
    const start = await engine.joinConnection(
      { id, user, mostConnections, clientFolder, from, auth, entry },
      client,
      () => prepareSandbox(this.#parts, { user, policy, own, shell }),
    );
    history.started(id, start);
    this.#parts.metrics.connected(start.kind, entry);
    const way = entry === 'sshd' ? undefined : entry;
    records.connected({ ...about, auth, entry: way, kind: start.kind, image: policy.image });
  }

  async #userOf(whose: Uid | string): Promise<UserRecord> {
    const reload = this.#parts.policy.refresh();
    if (reload !== undefined) await reload;
    return this.#parts.users.remembered(whose) ?? (await this.#find(whose));
  }

  /** What the policy gives to the account, when what is kept under its uid is its own. Throws E_OWNER, E_ROOT_LOGIN. */
  #owned(user: UserRecord): Given | Promise<Given> {
    const { owners } = this.#parts.store;
    if (owners.isOwn(user)) return this.#givenTo(user);
    return owners.require(user).then(() => this.#givenTo(user));
  }

  /** Into the sandbox. */
  async #enter(
    incoming: IncomingLogin,
    user: UserRecord,
    { evaluation, own, problems }: Given,
  ): Promise<void> {
    const { id, request, client, whose, peerUid, receivedNs } = incoming;
    const { admission, audit, engine, history, notices, records, recordings } = this.#parts;
    const policy = policyOf(evaluation);
    if (request.user === undefined) this.#admit(user, policy, this.#rates);
    const command = ownCommand(incoming, policy);
    if (command !== undefined) {
      history.identified(id, user);
      const asking = { user, policy, command, session: id, from: loginSource(request) };
      await this.#parts.selfService.answerLogin(incoming, asking);
      return;
    }
    const shell = chooseShell(policy.shell, user);
    history.identified(id, user);
    const looking = { user, given: this.#given(user, policy) };
    if (request.looks !== undefined) {
      await watch(this.#parts, incoming, looking, policy);
      return;
    }
    const back = await reattachOf(engine, user.uid, request, policy);
    if (back?.kind === 'back') {
      await lookAt(this.#parts, incoming, looking, back.target, 'attach', { takes: back.takes });
      return;
    }
    // Root's own commands are never kept out.
    using _place =
      request.user === undefined
        ? await admission.enter({
            id,
            uid: user.uid,
            memoryLimitBytes: policy.memoryLimitBytes,
            what: 'session',
          })
        : undefined;
    const joined = engine.connectionsOf(user.uid) > 0; // else an agent's socket is none of the sandbox's
    const isSeen = isAtTerminal(request);
    const news = isSeen ? notices.untold(user.uid) : [];
    const recording = recordingOf(recordings, { id, request }, user, policy);
    using unused = new DisposableStack();
    unused.defer(() => recordings.ended(id, user.uid, user.name));
    const lines = [...news.map(ours), ...told(problems), ...left(back)];
    const shown = withRecordingNotice(withNotice(policy, lines), recording);
    const session = {
      ...sessionOf(id, request, user, shell, shown, joined),
      offer: back?.kind === 'ask' ? back.offer : null,
      recording,
      watchable: request.user === undefined && policy.watch !== 'no',
    };
    const about = { session: id, uid: user.uid, user: user.name, from: loginSource(request) };
    const byUid = whose === peerUid ? undefined : peerUid;
    const given = { ...looking.given, recording: recording?.file?.name };
    audit.login({ ...about, ...given }, auditCommand(request), byUid);
    using _opening = records.opening(id);
    const start = await engine.startSession(user, session, client, () =>
      prepareSandbox(this.#parts, { user, policy, own, shell }),
    );
    unused.move();
    history.started(id, start);
    if (isSeen) notices.sessionOpened(user.uid);
    if (news.length > 0) notices.told(user.uid);
    this.#parts.metrics.loggedIn(start.kind, start.handedOverNs - receivedNs);
    records.opened({
      ...about,
      ...{ kind: start.kind, image: policy.image, digest: start.imageDigest },
      asImageUser: session.asImageUser || undefined,
      byUid,
    });
  }

  /** For the audit trail. */
  #given(user: UserRecord, { image }: EffectivePolicy) {
    const { engine, policy } = this.#parts;
    return { image, digest: engine.digestOf(user.uid), policy: policy.sectionsOf(user) };
  }

  /** By root's policy alone: nothing that the user may set or has written is looked at. */
  #isExempt(user: UserRecord): boolean {
    if (user.uid === 0) return false; // its client does not ask; a stranger's that does is refused
    const evaluation = this.#parts.policy.evaluate(user);
    return evaluation.kind === 'ok' && evaluation.policy.exempt === 'yes';
  }

  /** Its own client becomes a shell of the host. Nobody else gets one there, root's dockersh-exec included. */
  #leaveOutside({ id, request, client }: IncomingLogin, user: UserRecord): void {
    const { engine, records, history } = this.#parts;
    const { uid, name } = user;
    if (request.user !== undefined) {
      throw new DockershError('E_NO_POLICY', { why: `the policy exempts ${name}: there is no sandbox` });
    }
    const shell = hostShell(user);
    history.identified(id, user);
    history.failed(id, 'outside');
    records.outside({ session: id, uid, user: name, from: loginSource(request) }, shell);
    client.refuse(engine, loginOutside(shell));
  }

  /** What keeps users out, and root's commands in their sandboxes not. Throws E_MAINTENANCE, E_LOGIN_RATE. */
  #admit(user: UserRecord, { maintenance, loginRate }: EffectivePolicy, rates: LoginRates): void {
    if (maintenance !== null) throw new DockershError('E_MAINTENANCE', { userDetail: maintenance });
    if (loginRate !== null && !rates.take(user.uid, loginRate)) throw new DockershError('E_LOGIN_RATE');
  }

  async #find(whose: Uid | string): Promise<UserRecord> {
    const user = await this.#parts.users.find(whose);
    if (user !== undefined) return user;
    throw new DockershError('E_NO_POLICY', { why: `this host knows no user ${whose}` });
  }

  #givenTo(user: UserRecord): Given | Promise<Given> {
    if (user.uid === 0) throw new DockershError('E_ROOT_LOGIN');
    return this.#parts.ownSettings.given(user);
  }
}

function policyOf(evaluation: Evaluation): EffectivePolicy {
  if (evaluation.kind === 'ok') return evaluation.policy;
  throw new DockershError(evaluation.code, { why: evaluation.why });
}

/** The one exception to the rule that no command is looked at. Root's own commands never are. */
function ownCommand({ request }: IncomingLogin, { selfService }: EffectivePolicy): OwnCommand | undefined {
  return request.user === undefined && selfService.length > 0 ? ownCommandOfLogin(request) : undefined;
}

/** What has ended without the user, what is kept, and what of their own file does not count, is said where they see it. */
function withNotice(policy: EffectivePolicy, lines: readonly string[]): EffectivePolicy {
  if (lines.length === 0) return policy;
  const plain = lines.map((line) => line.replaceAll(/\p{Cc}/gu, '?').slice(0, mostOfLine));
  return { ...policy, banner: [...(policy.banner === null ? [] : [policy.banner]), ...plain].join('\n') };
}

const told = (problems: readonly Problem[]): string[] =>
  problems.slice(0, mostNotices).map((problem) => `dockersh: ${formatProblem(problem).slice(0, 290)}`);

const ours = (text: string): string => `dockersh: ${text}`;

const left = (back: Reattach | undefined): string[] => (back?.kind === 'new' ? [back.notice] : []);

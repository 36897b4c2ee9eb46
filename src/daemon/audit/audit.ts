// Tells the audit trail of every login, refusal, session's end, ssh connection, sandbox, and administrator's act. Each user
// has room for many lines: what comes beyond is counted, so that nobody fills the disk with them.

import type {
  ConnectionEnd,
  Forward,
  Looks,
  RecordingState,
  SandboxEnd,
  SandboxStart,
  SessionEnd,
} from '../../isolation/engine.ts';
import type { RefusedNow } from '../../isolation/network/refused.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { EndCause } from '../../lib/values/causes.ts';
import type { ConnectionEntry } from '../../lib/values/connection-entry.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { HostPolicy } from '../../policy/policy.ts';
import type { AdminRequest, AdminVerb } from '../../protocol/admin.ts';
import { type LeftOut, LogLimit } from '../login/log-limit.ts';
import type { DaemonRecord } from '../records/record.ts';
import type { Told } from '../records/told.ts';
import type { AuditCommand } from './command.ts';
import { Fold } from './fold.ts';
import { Trail } from './trail.ts';

type AuditPolicy = Pick<HostPolicy, 'audit' | 'auditCommands' | 'auditKeepMs' | 'auditBytes'>;

type OutOfMemory = Omit<Extract<DaemonRecord, { event: 'out-of-memory' }>, 'event'>;

type Forwarded = Told &
  Partial<NonNullable<Forward['what']>> & { readonly user: string; readonly count: number };

/** A session or connection that is about to begin. */
export interface Beginning extends Told {
  readonly uid: Uid;
  readonly image: string;
  /** Of a sandbox that runs already; one that starts has a line of its own. */
  readonly digest: string | undefined;
  /** Name of the file, where the session may be recorded. */
  readonly recording?: string | undefined;
  /** Sections of the policy that hold for the account: "dockersh.ini:12 [group students]". */
  readonly policy: readonly string[];
}

/** Lines of one user, and of all. */
const mostLines = { count: 6_000, ms: 600_000 };
const mostLinesOfAll = { count: 60_000, ms: 60_000 };
const mostUntold = 50_000;

/** Verbs that change nothing: those who look at the daemon every second have no line each. */
const looking: ReadonlySet<AdminVerb> = new Set<AdminVerb>([
  'version',
  'operations',
  'ps',
  'logins',
  'stats',
  'health',
  'network',
  'diff',
  'account.look',
  'account.folders',
  'policy.explain',
  'policy.diff',
  'snapshot.ls',
  'image.ls',
  'image.history',
  'image.inspect',
  'image.du',
  'image.verify',
  'recordings.ls',
  'gateway.status',
  'gateway.sessions',
]);

export class Audit implements Disposable {
  readonly #settings: () => AuditPolicy;
  readonly #log: Logger;
  readonly #folder: AbsolutePath;
  readonly #boot: string;
  #trail: Trail | undefined;
  readonly #limit: LogLimit;
  /** Sessions and connections that have no line, until they have ended. */
  readonly #untold = new Set<string>();
  readonly #refusedTraffic = new Fold<RefusedNow>(
    ({ protocol, address, port }) => `${protocol} ${address} ${port}`,
    (line) => {
      if (this.#limit.take(line.uid, 'network-refused')) this.#to()?.add('network-refused', line);
    },
  );
  readonly #forwards = new Fold<Forwarded>(
    ({ session, protocol, way, target, port, errno }) =>
      protocol === undefined ? '' : JSON.stringify([session, protocol, way, target, port, errno]),
    (line) => {
      if (this.#limit.take(line.uid, 'forward')) this.#to()?.add('forward', line);
    },
  );

  private constructor(folder: AbsolutePath, settings: () => AuditPolicy, boot: string, log: Logger) {
    this.#folder = folder;
    this.#settings = settings;
    this.#boot = boot;
    this.#log = log;
    this.#limit = LogLimit.start(mostLines, (left) => this.#leftOut(left), mostLinesOfAll);
  }

  static start(folder: AbsolutePath, settings: () => AuditPolicy, boot: string, log: Logger): Audit {
    return new Audit(folder, settings, boot, log);
  }

  /** Those that the trail has seen begin, and not end. */
  get openIds(): readonly string[] {
    return this.#to()?.openIds ?? [];
  }

  /** Before anybody has a session. Throws E_AUDIT where the policy requires a line and none can be written. */
  login(beginning: Beginning, command: AuditCommand, byUid: Uid | undefined): void {
    const { command: _, commandBytes: __, commandSum: ___, ...nothing } = command;
    const said = this.#settings().auditCommands === 'yes' ? command : nothing;
    this.#begin('login', beginning, { byUid, ...said });
  }

  /** The same for an ssh connection. */
  connection(beginning: Beginning, auth: string | undefined, entry: ConnectionEntry): void {
    const way = entry === 'sshd' ? undefined : entry;
    this.#begin('connection-opened', beginning, { auth, entry: way });
  }

  #begin(event: string, beginning: Beginning, more: object): void {
    const { session, uid, user, from, image, digest, recording, policy } = beginning;
    const trail = this.#to();
    if (trail === undefined) return;
    if (!this.#limit.take(uid)) {
      if (this.#untold.size < mostUntold) this.#untold.add(session);
      return;
    }
    const facts = { session, uid, user, from, ...more, image, digest, recording, policy };
    if (trail.add(event, facts, { begins: session }) || this.#settings().audit !== 'required') return;
    throw new DockershError('E_AUDIT');
  }

  refused({ session, uid, user, from }: Told, { code, message: reason }: DockershError): void {
    if (!this.#limit.take(uid, code)) return;
    this.#to()?.add('login-refused', { session, uid, user, from, code, reason }, { ends: session });
  }

  /** Before a word does anything. Throws E_AUDIT where the policy requires a line and none can be written. */
  selfServiceBegins({ session, uid, user, from }: Told, command: string): void {
    const trail = this.#to();
    if (trail === undefined || !this.#limit.take(uid, 'self-service')) return;
    if (trail.add('self-service-begun', { session, uid, user, from, command })) return;
    if (this.#settings().audit === 'required') throw new DockershError('E_AUDIT');
  }

  selfService({ session, uid, user, from }: Told, command: string, failure: DockershError | undefined): void {
    if (!this.#limit.take(uid, 'self-service')) return;
    const failed = { code: failure?.code, reason: failure?.message };
    this.#to()?.add('self-service', { session, uid, user, from, command, ...failed });
  }

  /** A job of a user's crontab. */
  cron({ uid, user }: { readonly uid: Uid; readonly user: string }, text: string): void {
    if (!this.#limit.take(uid, 'cron')) return;
    const command = this.#settings().auditCommands === 'yes' ? text : undefined;
    this.#to()?.add('cron', { uid, user, command });
  }

  outside({ session, uid, user, from }: Told, shell: string): void {
    if (this.#limit.take(uid)) this.#to()?.add('login-outside', { session, uid, user, from, shell });
  }

  closed(end: Omit<SessionEnd, 'user'>, { session, uid, user, from }: Told, ms: number | undefined): void {
    if (this.#untold.delete(session)) return;
    const { outcome, failure, cause, by, verb, used } = end;
    const status = outcome?.kind === 'exit' && failure === undefined ? outcome.code : undefined;
    const signal = outcome?.kind === 'signal' ? outcome.code : undefined;
    const failed = { code: failure?.code, reason: failure?.why };
    const facts = { session, uid, user, from, cause, by, verb, status, signal, ...failed, ms, ...used };
    this.#to()?.add('session-closed', facts, { ends: session });
  }

  detached({ session, uid, user, from }: Told, forMs: number | null): void {
    if (this.#limit.take(uid, 'detached'))
      this.#to()?.add('session-detached', { session, uid, user, from, forMs: forMs ?? undefined });
  }

  recording({ session, uid, user, from }: Told, state: RecordingState): void {
    if (this.#limit.take(uid, 'recording'))
      this.#to()?.add('session-recording', { session, uid, user, from, state });
  }

  attached({ session, uid, user }: Told, viewer: string, looks: Looks): void {
    if (this.#limit.take(uid, 'attached'))
      this.#to()?.add('session-attached', { session, uid, user, viewer, looks });
  }

  disconnected(end: ConnectionEnd, { session, uid, user, from }: Told, ms: number | undefined): void {
    if (this.#untold.delete(session)) return;
    const { failure, cause = 'hung-up' } = end;
    const facts =
      failure === undefined
        ? { session, uid, user, from, cause, ms }
        : { session, uid, user, from, code: failure.code, reason: failure.message };
    const event = failure === undefined ? 'connection-closed' : 'connection-failed';
    this.#to()?.add(event, facts, { ends: session });
  }

  /** Of an earlier daemon's; nobody knows when it ended. */
  unseen(session: string, about: Partial<Told>, cause: EndCause): void {
    const { uid, user, from } = about;
    this.#to()?.add('session-closed', { session, uid, user, from, cause }, { ends: session });
  }

  sandboxStarted({ uid, user, image, digest }: SandboxStart): void {
    if (this.#limit.take(uid, 'start')) this.#to()?.add('sandbox-started', { uid, user, image, digest });
  }

  sandboxEnded({ uid, user, cause, by, verb, failure, ms }: SandboxEnd): void {
    if (!this.#limit.take(uid, 'end')) return;
    const failed = { code: failure?.code, reason: failure?.message };
    this.#to()?.add('sandbox-ended', { uid, user, cause, by, verb, ...failed, ms });
  }

  outOfMemory({ uid, user, process, limitBytes }: OutOfMemory): void {
    if (this.#limit.take(uid, 'out-of-memory'))
      this.#to()?.add('out-of-memory', { uid, user, process, limitBytes });
  }

  /** What a sandbox's network has refused. */
  trafficRefused(now: RefusedNow): void {
    this.#refusedTraffic.add(now);
  }

  /** What an ssh connection by the gateway forwards, `session` being its id. */
  forwarded({ what, count }: Forward, { session, uid, user, from }: Told & { readonly user: string }): void {
    this.#forwards.add({ session, uid, user, from, ...what, count });
  }

  /** What an administrator has asked for; `code`: it failed. */
  asked({ verb, by, params }: AdminRequest, code: string | undefined): void {
    if (looking.has(verb)) return;
    const user = 'user' in params && typeof params.user === 'string' ? params.user : undefined;
    this.#to()?.add('administration', { verb, by, user, params, code });
  }

  #leftOut({ uid, code, more }: LeftOut): void {
    this.#to()?.add('left-out', { uid, of: code, lines: more });
  }

  /** undefined: the policy wants none. */
  #to(): Trail | undefined {
    if (this.#settings().audit === 'no') {
      this.#trail?.[Symbol.dispose]();
      this.#trail = undefined;
      return undefined;
    }
    const retention = () => {
      const { auditKeepMs, auditBytes } = this.#settings();
      return { keepMs: auditKeepMs, mostBytes: auditBytes ?? Number.POSITIVE_INFINITY };
    };
    const facts = { boot: this.#boot };
    this.#trail ??= Trail.open({ folder: this.#folder, retention, log: this.#log, facts });
    return this.#trail;
  }

  [Symbol.dispose](): void {
    this.#refusedTraffic[Symbol.dispose]();
    this.#forwards[Symbol.dispose]();
    this.#trail?.[Symbol.dispose]();
    this.#trail = undefined;
  }
}

// One sandbox as the daemon knows it: from the moment that its supervisor is asked for until nothing of it is left.
// Its record (record.ts) describes it, and is kept in a file for as long.

import { rmSync, writeFileSync } from 'node:fs';
import { DockershError } from '../../lib/errors.ts';
import type { OwnedFd } from '../../lib/fd.ts';
import { WireWriter } from '../../lib/wire.ts';
import type { ByWhom, ConnectionSpec, Limits, LookSpec, SessionIdentity, SessionSpec } from '../engine.ts';
import type { NetworkPlan, Traffic } from '../network/plan.ts';
import type { ClientConnection } from '../socket/client-connection.ts';
import type { SeqpacketConnection } from '../socket/seqpacket.ts';
import { buildSteps } from '../supervisor/answers.ts';
import { connectionMessage, connectionNote } from '../supervisor/connection-message.ts';
import { lookMessage } from '../supervisor/kept-messages.ts';
import { noteOf, sessionMessage } from '../supervisor/session-message.ts';
import { sessionIn } from '../supervisor/session-place.ts';
import { type SessionAnswer, Supervisor, type SupervisorState } from '../supervisor/supervisor.ts';
import { Ending } from './ending.ts';
import type { Pausable } from './pause.ts';
import { Present } from './present.ts';
import { type SandboxRecord, withLimits, withoutLimits } from './record.ts';
import { ofEarlierVersion } from './refusals.ts';
import { delay, patience, type SandboxEvents, tellKept } from './sandbox-events.ts';

export class Sandbox implements Pausable {
  #record: SandboxRecord;
  readonly #present = new Present();
  /** Resolves when nothing is left of it. */
  readonly gone: Promise<void>;
  /** Resolves when it runs, or has come to nothing. */
  readonly settled: Promise<void>;
  readonly #file: string;
  readonly #supervisor: Supervisor;
  #state: 'starting' | 'running' | 'stopping';
  #failure: DockershError | undefined;
  readonly #ending = new Ending();

  private constructor(
    connection: SeqpacketConnection,
    record: SandboxRecord,
    file: string,
    state: 'starting' | 'running',
    events: SandboxEvents,
  ) {
    this.#record = record;
    this.#file = file;
    this.#state = state;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    const settled = Promise.withResolvers<void>();
    this.settled = settled.promise;
    if (state === 'running') settled.resolve();
    this.#supervisor = new Supervisor(connection, {
      ready: (_, stepsNs) => {
        if (this.#state === 'starting') this.#state = 'running';
        settled.resolve();
        events.started(buildSteps.map((name, index) => ({ name, ns: stepsNs[index + 1] ?? 0n })));
      },
      failed: (failure) => {
        this.#failure = failure;
      },
      stopping: (cause, work) => {
        this.#state = 'stopping';
        this.#ending.announced(cause, work);
      },
      sessionEnded: (end) => {
        const wasLeft = this.#present.ended(end.id);
        const { uid, user } = record;
        events.sessionEnded({ ...end, ...this.#ending.whoStopped(end.cause), uid, user, wasLeft });
      },
      connectionEnded: (end) => {
        this.#present.ended(end.id);
        events.connectionEnded({ ...end, uid: record.uid });
      },
      forwarded: (forward) => events.forwarded(forward),
      kept: (event) => {
        if (event.what === 'detached') this.#present.left.add(event.id);
        if (event.what === 'attached' && event.looks === 'attach') this.#present.left.delete(event.id);
        tellKept(event, record, events);
      },
      asked: events.asked,
      left: () => events.left(),
      refused: (lines) => events.refused(lines),
      missing: (lines) => events.missing(lines),
      gone: () => {
        const cause = this.#ending.over(this.#state === 'stopping' ? 'stopped' : 'supervisor-died');
        this.#state = 'stopping';
        this.#endSessions(events);
        rmSync(this.#file, { force: true });
        this.#supervisor[Symbol.dispose]();
        resolve();
        settled.resolve();
        for (const id of this.#present.connections) {
          events.connectionEnded({ id, uid: record.uid, cause });
        }
        this.#present.connections.clear();
        events.gone();
      },
    });
  }

  /** Those that end with it: their own end nobody has seen. */
  #endSessions({ sessionEnded }: SandboxEvents): void {
    const { uid, user } = this.record;
    const unknown = { outcome: undefined, failure: undefined, stepsNs: [] };
    for (const id of this.#present.sessions) sessionEnded({ id, uid, user, ...unknown, ...this.end });
    this.#present.sessions.clear();
  }

  /** Why it has ended, once it has. */
  get end(): Ending['end'] {
    return this.#ending.end;
  }

  /** Owns the connection, and hears it from now on. `file` is where the record is kept while it runs. */
  static attach(
    connection: SeqpacketConnection,
    record: SandboxRecord,
    file: string,
    state: 'starting' | 'running',
    events: SandboxEvents,
  ): Sandbox {
    const sandbox = new Sandbox(connection, record, file, state, events);
    sandbox.#supervisor.listen();
    return sandbox;
  }

  /** Asks a fresh supervisor to build it. */
  build(specification: Buffer, fds: readonly OwnedFd[]): void {
    // Written before anything runs, so that a daemon that dies now leaves no sandbox that nobody knows.
    this.#writeRecord();
    this.#supervisor.build(specification, fds);
  }

  get record(): SandboxRecord {
    return this.#record;
  }

  /** Of sessions that have been handed over and have not ended. */
  get sessions(): readonly string[] {
    return [...this.#present.sessions];
  }

  get hasLeft(): boolean {
    return this.#present.left.size > 0;
  }

  /** Of ssh connections, likewise. */
  get connections(): readonly string[] {
    return [...this.#present.connections];
  }

  /** Other limits are in force by now. */
  adjusted(limits: Limits, settings: Readonly<Record<string, string>>): void {
    this.#follow(withLimits(this.#record, limits, settings));
  }

  /** The kernel took some of other limits, and refused the rest. */
  limitsUncertain(): void {
    this.#follow(withoutLimits(this.#record));
  }

  #follow(record: SandboxRecord): void {
    this.#record = record;
    if (this.#state !== 'stopping') this.#writeRecord();
  }

  #writeRecord(): void {
    writeFileSync(this.#file, `${JSON.stringify(this.#record)}\n`, { mode: 0o600 });
  }

  get state(): 'starting' | 'running' | 'stopping' {
    return this.#state;
  }

  /** Why it could not be built, as an error for the user and the log; undefined where that was not the cause. */
  get failure(): DockershError | undefined {
    return this.#failure;
  }

  /** `identity`: what identityIn() has said. The connection is ours again where the answer is no other's. */
  async startSession(
    session: SessionSpec,
    identity: SessionIdentity | undefined,
    connection: ClientConnection,
  ): Promise<SessionAnswer> {
    const placed = sessionIn(this.record, session, identity);
    const data = sessionMessage(placed.session, placed.place);
    return await this.#handOver(session.id, data, connection, session.recording?.file?.open());
  }

  /** A login that looks at a session. The connection, likewise. */
  async look(look: LookSpec, connection: ClientConnection): Promise<SessionAnswer> {
    return await this.#handOver(look.id, lookMessage(look, noteOf(look)), connection);
  }

  async #handOver(id: string, ...given: [Buffer, ClientConnection, OwnedFd?]): Promise<SessionAnswer> {
    const { sessions } = this.#present;
    return await this.#present.entering(sessions, id, () => this.#supervisor.handOver(id, ...given));
  }

  /** The client is ours again where the answer is no other's. Throws E_SESSION_START where it knows no connections. */
  async joinConnection(
    connection: ConnectionSpec,
    run: string,
    client: ClientConnection,
  ): Promise<SessionAnswer> {
    const { user, home, joins } = this.#record;
    if (joins !== true) throw ofEarlierVersion(user);
    const { id } = connection;
    return await this.#present.entering(this.#present.connections, id, async () => {
      const data = connectionMessage(connection, connectionNote(connection), { homeInside: home, run });
      return await this.#supervisor.handOver(id, data, client);
    });
  }

  /**
   * Resolves when nothing of the user's runs any more. `why`: what those inside are told; `byWhom`: for the log. Where the supervisor does not see to it in its time, it is
   * killed with the sandbox; `killMore` does what else there is to do. Throws E_BUSY where it is of a version
   * that can't be killed from here.
   */
  async stop(why: string, byWhom: ByWhom, killMore: () => void): Promise<void> {
    if (this.#state !== 'stopping') {
      this.#ending.asked(byWhom, why);
      this.#supervisor.stop(why);
    }
    const { stopGraceMs } = this.#record;
    if (await this.#isGoneWithin((stopGraceMs ?? patience.longGraceMs) + patience.endMs)) return;
    if (this.#supervisor.kill()) {
      killMore(); // at once: its name is the next sandbox's
      // Its death ends its connection; one that the kernel can't end is not waited for.
      if (!(await this.#isGoneWithin(patience.endMs))) this.#supervisor.abandon();
      return;
    }
    throw new DockershError('E_BUSY', {
      what: `the sandbox of ${this.record.user} does not stop`,
      why: 'its supervisor does not answer',
      hint: `Find its process with "ps -eo pid,ppid,args | grep dockersh-supervisor" and kill it.`,
    });
  }

  /** Undefined: its network is like that now. */
  changeNetwork(plan: NetworkPlan): Promise<DockershError | undefined> {
    return this.#supervisor.changeNetwork(plan);
  }

  /** Undefined where the supervisor is gone, or does not answer at once. */
  traffic(): Promise<Traffic | undefined> {
    return Promise.race([this.#supervisor.traffic(), delay(patience.inspectMs, undefined)]);
  }

  /** Says it on the terminals of its sessions; how many there are. */
  async say(text: string): Promise<number> {
    const state = await this.inspect();
    this.tell(new WireWriter('say').text('text', text).finish());
    return (state?.sessions ?? []).filter(({ pts }) => pts >= 0).length;
  }

  /** Says to its supervisor what nobody answers. */
  tell(message: Buffer): void {
    this.#supervisor.tell(message);
  }

  #isGoneWithin(ms: number): Promise<boolean> {
    return Promise.race([this.gone.then(() => true), delay(ms, false)]);
  }

  pause(limitMs: number, ranOn: () => void): Promise<string | undefined> {
    return Promise.race([this.#supervisor.pause(limitMs, ranOn), delay(patience.pauseMs, patience.noAnswer)]);
  }

  resume(): void {
    this.#supervisor.resume();
  }

  /** Undefined where the supervisor is gone, or does not answer at once. */
  inspect(): Promise<SupervisorState | undefined> {
    return Promise.race([this.#supervisor.state(), delay(patience.inspectMs, undefined)]);
  }

  /** Learns of the sessions that an earlier daemon has handed over; their ends are told to this one. */
  async adoptSessions(): Promise<SupervisorState | undefined> {
    return await this.#present.adopt(() => this.inspect());
  }

  /** Lets it run on without this daemon. */
  detach(): void {
    this.#supervisor[Symbol.dispose]();
  }
}

// One sandbox as the daemon knows it: from the moment that its supervisor is asked for until nothing of it is
// left. It is described once, at its start, in a small file beside its control socket, from which a later
// daemon knows it again.

import { rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delayRef } from 'node:timers/promises';
import { z } from 'zod';
import { DockershError } from '../lib/errors.ts';
import type { OwnedFd } from '../lib/fd.ts';
import type { ByteString } from '../lib/wire.ts';
import { limitsOf, unlimited } from './cgroup-limits.ts';
import { type DiskLimits, diskLimitsOf } from './disk-limits.ts';
import type { Limits, SandboxSpec, SessionEnd, SessionIdentity, SessionSpec } from './engine.ts';
import { homeInside } from './identity-layer.ts';
import type { Pausable } from './pause.ts';
import type { SeqpacketConnection } from './seqpacket.ts';
import {
  type BuildFailure,
  buildSteps,
  type SessionAnswer,
  Supervisor,
  type SupervisorState,
} from './supervisor.ts';

/** What has to be known of a running sandbox besides what its supervisor says. */
export const SandboxRecord = z.strictObject({
  uid: z.int(),
  user: z.string(),
  home: z.string(),
  image: z.string(),
  imageDigest: z.string(),
  layers: z.array(z.string()),
  env: z.array(z.string()),
  /** The image's; absent: none. */
  workingDir: z.string().optional(),
  /** As SandboxImage has it. */
  imageUser: z
    .union([
      z.strictObject({
        uid: z.int(),
        gid: z.int(),
        groups: z.array(z.int()),
        name: z.string(),
        home: z.string(),
      }),
      z.strictObject({ why: z.string() }),
    ])
    .optional(),
  memoryLimitBytes: z.number().nullable(),
  pidsLimit: z.number().nullable(),
  cpus: z.number().nullable(),
  /** Absent: of an earlier version, or not certain. */
  limits: z.string().optional(),
  settings: z.record(z.string(), z.string()).optional(),
  /** null: for ever. */
  lingerMs: z.number().nullable(),
  /** As SandboxSpec has it. */
  notice: z.string().optional(),
  startedAt: z.string(),
});
export type SandboxRecord = z.infer<typeof SandboxRecord>;

/** All limits, to tell whether they are the same. */
export function limitsText(limits: Limits & DiskLimits): string {
  return JSON.stringify({ ...limitsOf(limits), ...diskLimitsOf(limits) });
}

/** Undefined where nobody knows for certain what is in force. */
export function limitsIn({ limits }: SandboxRecord): Limits | undefined {
  const found = limits === undefined ? {} : (JSON.parse(limits) as Partial<Limits>);
  const isComplete = Object.keys(unlimited).every((key) => Object.hasOwn(found, key));
  return isComplete ? { ...unlimited, ...found } : undefined;
}

function shownLimits({ memoryBytes, pids, cpus }: Limits) {
  return { memoryLimitBytes: memoryBytes, pidsLimit: pids, cpus };
}

export function recordOf(spec: SandboxSpec): SandboxRecord {
  return {
    uid: spec.user.uid,
    user: spec.user.name,
    home: homeInside(spec.user),
    image: spec.image.name,
    imageDigest: spec.image.digest,
    layers: spec.image.layers.map((layer) => layer.path),
    env: [...spec.image.env],
    ...(spec.image.workingDir === undefined ? {} : { workingDir: spec.image.workingDir }),
    ...(spec.image.user === undefined ? {} : { imageUser: storedUser(spec.image.user) }),
    ...shownLimits(spec),
    limits: limitsText(spec),
    settings: { ...spec.settings },
    lingerMs: Number.isFinite(spec.lingerMs) ? spec.lingerMs : null,
    ...(spec.notice === undefined ? {} : { notice: spec.notice }),
    startedAt: new Date().toISOString(),
  };
}

function storedUser(user: NonNullable<SandboxSpec['image']['user']>): SandboxRecord['imageUser'] {
  return 'why' in user ? { why: user.why } : { ...user, groups: [...user.groups] };
}

const joined = (banner: string | null, notice: string | undefined): string | null =>
  banner === null || notice === undefined ? (notice ?? banner) : `${banner}\n${notice}`;

const asBytes = (text: string): ByteString => Buffer.from(text, 'utf8').toString('latin1');

/** Every name once; the later list wins. */
export function mergeEnvironment(...lists: readonly (readonly ByteString[])[]): ByteString[] {
  const assignments = lists.flat().filter((entry) => entry.includes('=')); // an image may hold bare names
  return [...new Map(assignments.map((entry) => [entry.slice(0, entry.indexOf('=')), entry])).values()];
}

/** The user's run folder is the user's alone. */
const isNobodysOwn = (entry: ByteString): boolean => !entry.startsWith('XDG_RUNTIME_DIR=');

function environmentOf({ name, home }: SessionIdentity): ByteString[] {
  return [`HOME=${home}`, `USER=${name}`, `LOGNAME=${name}`].map(asBytes);
}

/** A value after a time that keeps nothing waiting. */
const delay = <T>(ms: number, value: T): Promise<T> => delayRef(ms, value, { ref: false });

export interface SandboxEvents {
  readonly started: (steps: readonly { readonly name: string; readonly ns: bigint }[]) => void;
  readonly sessionEnded: (end: SessionEnd) => void;
  readonly gone: () => void;
}

export class Sandbox implements Pausable {
  #record: SandboxRecord;
  readonly #sessions = new Set<string>();
  #endedMeanwhile: Set<string> | undefined;
  /** Resolves when nothing is left of it. */
  readonly gone: Promise<void>;
  /** Resolves when it runs, or has come to nothing. */
  readonly settled: Promise<void>;
  readonly #file: string;
  readonly #supervisor: Supervisor;
  #state: 'starting' | 'running' | 'stopping';
  #failure: BuildFailure | undefined;
  #idleSinceMs: number | undefined;

  /** Owns the connection. `file` is where the record is kept while it runs. */
  constructor(
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
      stopping: () => {
        this.#state = 'stopping';
      },
      sessionEnded: (end) => {
        this.#sessions.delete(end.id);
        this.#endedMeanwhile?.add(end.id);
        this.#idleSinceMs = Date.now();
        events.sessionEnded({ ...end, uid: record.uid });
      },
      gone: () => {
        this.#state = 'stopping';
        rmSync(this.#file, { force: true });
        this.#supervisor[Symbol.dispose]();
        resolve();
        settled.resolve();
        events.gone();
      },
    });
  }

  /** Asks a fresh supervisor to build it. */
  build(specification: Buffer): void {
    // Written before anything runs, so that a daemon that dies now leaves no sandbox that nobody knows.
    this.#writeRecord();
    this.#supervisor.build(specification);
  }

  get record(): SandboxRecord {
    return this.#record;
  }

  /** Of sessions that have been handed over and have not ended. */
  get sessions(): readonly string[] {
    return [...this.#sessions];
  }

  /** Other limits are in force by now. */
  adjusted(limits: Limits & DiskLimits, settings: Readonly<Record<string, string>>): void {
    this.#record = {
      ...this.#record,
      ...shownLimits(limits),
      limits: limitsText(limits),
      settings: { ...this.#record.settings, ...settings },
    };
    if (this.#state !== 'stopping') this.#writeRecord();
  }

  /** The kernel took some of other limits, and refused the rest. */
  limitsUncertain(): void {
    const { limits: _, ...record } = this.#record;
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
    return this.#failure === undefined ? undefined : buildError(this.#failure);
  }

  /** Whose ids the session gets; undefined: the user's own. Throws E_SESSION_START where nobody can say. */
  identityOf(session: SessionSpec): SessionIdentity | undefined {
    const { imageUser } = this.record;
    if (!session.asImageUser || imageUser === undefined) return undefined;
    if (!('why' in imageUser)) return imageUser;
    throw new DockershError('E_SESSION_START', { why: imageUser.why, userDetail: imageUser.why });
  }

  /** `identity`: what identityOf() has said. */
  async startSession(
    session: SessionSpec,
    identity: SessionIdentity | undefined,
    connection: OwnedFd,
  ): Promise<SessionAnswer> {
    this.#sessions.add(session.id); // before anything of it can end
    try {
      const answer = await this.#handOver(session, identity, connection);
      if (answer.kind !== 'accepted') this.#sessions.delete(session.id);
      return answer;
    } catch (error) {
      this.#sessions.delete(session.id);
      throw error;
    }
  }

  #handOver(
    session: SessionSpec,
    identity: SessionIdentity | undefined,
    connection: OwnedFd,
  ): Promise<SessionAnswer> {
    const note = {
      startedAt: new Date().toISOString(),
      ...(session.from === undefined ? {} : { from: session.from }),
    };
    const { home, workingDir } = this.record;
    const banner = joined(session.banner, this.record.notice);
    // A login starts at home, whatever the image says; a command starts where the image's commands do.
    const own = session.program.kind === 'direct' ? (workingDir ?? home) : home;
    const image = this.record.env.map(asBytes);
    if (identity === undefined) {
      const env = mergeEnvironment(image, [asBytes(`HOME=${home}`)], session.env);
      return this.#supervisor.startSession(
        { ...session, env, banner },
        { cwd: own, identity, note },
        connection,
      );
    }
    const env = mergeEnvironment(image, session.env.filter(isNobodysOwn), environmentOf(identity));
    const place = { cwd: workingDir ?? '/', identity, note };
    return this.#supervisor.startSession({ ...session, env, banner }, place, connection);
  }

  /** Throws E_BUSY where the supervisor does not answer in time. */
  async stop(): Promise<void> {
    if (this.#state !== 'stopping') this.#supervisor.stop();
    const done = await Promise.race([this.gone.then(() => true), delay(stopPatienceMs, false)]);
    if (done) return;
    throw new DockershError('E_BUSY', {
      what: `the sandbox of ${this.record.user} does not stop`,
      why: 'its supervisor does not answer',
      hint: `Find its process with "ps -eo pid,ppid,args | grep dockersh-supervisor" and kill it.`,
    });
  }

  pause(limitMs: number, ranOn: () => void): Promise<string | undefined> {
    return Promise.race([this.#supervisor.pause(limitMs, ranOn), delay(pausePatienceMs, noAnswer)]);
  }

  resume(): void {
    this.#supervisor.resume();
  }

  /** Undefined where the supervisor is gone, or does not answer at once. */
  inspect(): Promise<SupervisorState | undefined> {
    return Promise.race([this.#supervisor.state(), delay(inspectPatienceMs, undefined)]);
  }

  /** Learns of the sessions that an earlier daemon has handed over; their ends are told to this one. */
  async adoptSessions(): Promise<SupervisorState | undefined> {
    const ended = new Set<string>();
    this.#endedMeanwhile = ended;
    const state = await this.inspect();
    for (const { id } of state?.sessions ?? []) if (!ended.has(id)) this.#sessions.add(id);
    this.#endedMeanwhile = undefined;
    return state;
  }

  /** When it will stop if nobody logs in; as far as this daemon has seen. */
  get lingerUntil(): string | null {
    const { lingerMs } = this.record;
    if (lingerMs === null || this.#idleSinceMs === undefined) return null;
    return new Date(this.#idleSinceMs + lingerMs).toISOString();
  }

  /** Lets it run on without this daemon. */
  detach(): void {
    this.#supervisor[Symbol.dispose]();
  }
}

/** A second longer than the longest grace would be too long; the supervisor kills by itself after its grace. */
const stopPatienceMs = 60_000;
const inspectPatienceMs = 500;
/** Above what a supervisor gives the kernel (native/supervisor/pause.c). */
const pausePatienceMs = 5_000;
const noAnswer = 'its supervisor does not answer';

const fullDisk = new Set([28, 122]); // ENOSPC, EDQUOT

function buildError(failure: BuildFailure): DockershError {
  const options = { what: 'the sandbox could not be built', why: failure.text };
  if (fullDisk.has(failure.errno)) return new DockershError('E_DISK_FULL', options);
  if (failure.step.startsWith('mount:')) return new DockershError('E_MOUNT', options);
  if (failure.step.startsWith('device:')) return new DockershError('E_DEVICE', options);
  if (failure.step.includes('limit')) return new DockershError('E_LIMIT_REFUSED', options);
  if (failure.step === 'open tree' || failure.step === 'find folder in the image')
    return new DockershError('E_IMAGE_BROKEN', options);
  if (failure.errno === 38 || failure.errno === 95) return new DockershError('E_KERNEL', options); // ENOSYS, EOPNOTSUPP
  return new DockershError('E_SANDBOX_START', options);
}

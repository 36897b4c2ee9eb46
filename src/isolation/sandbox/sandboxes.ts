// The engine: every sandbox of this host, one per uid. Finds the ones that an earlier daemon left running
// (registry.ts), starts others (starts.ts), hands sessions over, and has somebody wait where another
// needs a sandbox to stand still or to be gone.

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { oneByOne } from '../../lib/async/breathe.ts';
import { within } from '../../lib/async/within.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Failure } from '../../lib/failures.ts';
import type { OwnedFd } from '../../lib/fd.ts';
import type { Network } from '../../lib/network/network.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { limitsOf } from '../../limits/limits.ts';
import type {
  ConnectionSpec,
  Engine,
  Limits,
  Load,
  NetworkInfo,
  PreparedSandbox,
  SandboxInfo,
  SandboxUsage,
  SessionSpec,
  SessionStart,
  UserRecord,
} from '../engine.ts';
import type { SandboxCounts } from '../seen.ts';
import type { ClientConnection } from '../socket/client-connection.ts';
import { SupervisorPool } from '../supervisor/pool.ts';
import { identityIn } from '../supervisor/session-place.ts';
import type { SessionAnswer } from '../supervisor/supervisor.ts';
import { countsOf, describeSandbox, networkInfoOf, usageOf } from './info.ts';
import { SandboxesKept } from './kept.ts';
import type { EngineOptions } from './options.ts';
import { type Pause, Pauses, pauseOf } from './pause.ts';
import { cgroupOf, hasAll, hasLimits } from './record.ts';
import { connectionRefusalOf, otherUser, refusalOf } from './refusals.ts';
import { SandboxRegistry } from './registry.ts';
import type { Sandbox } from './sandbox.ts';
import { SandboxStarts } from './starts.ts';

/** How something enters a sandbox that is there. */
interface Entry {
  readonly hand: (sandbox: Sandbox) => Promise<SessionAnswer>;
  /** Undefined: the sandbox is ending. */
  readonly refusal: (failure: Failure) => DockershError | undefined;
}

/** How long a login waits for a stopping sandbox to be gone before it gives up. */
const stopPatienceMs = 30_000;
/** Told to those inside, where nothing else is. */
const stoppedByRoot = 'Your sandbox is being stopped by the administrator of this host.';
/** Each attempt meets another sandbox that ends; more than a few mean that none can live. */
const mostAttempts = 10;

export class Sandboxes implements Engine {
  readonly #options: EngineOptions;
  #pool: SupervisorPool | undefined;
  readonly #registry: SandboxRegistry;
  readonly #starts: SandboxStarts;
  readonly #pauses = new Pauses();
  readonly kept = new SandboxesKept((uid) => this.#registry.get(uid));

  private constructor(options: EngineOptions) {
    this.#options = options;
    const registry = new SandboxRegistry(options, (uid) => this.#starts.has(uid));
    const pool = () => this.#startPool();
    this.#registry = registry;
    this.#starts = new SandboxStarts(options, { registry, pool });
  }

  /** Finds running sandboxes again and clears away what others left, before anybody can log in. */
  static async open(options: EngineOptions): Promise<Sandboxes> {
    await mkdir(path.join(options.run, 'sandboxes'), { recursive: true, mode: 0o700 });
    await mkdir(path.join(options.run, 'mnt'), { recursive: true, mode: 0o711 });
    const engine = new Sandboxes(options);
    await engine.#registry.reconcile();
    engine.#startPool();
    return engine;
  }

  /** After the clean-up, which would take the fresh supervisors' cgroups for left-overs. */
  #startPool(): SupervisorPool {
    const { libexec, ...options } = this.#options;
    this.#pool ??= SupervisorPool.start({
      supervisorProgram: path.join(libexec, 'dockersh-supervisor'),
      initProgram: path.join(libexec, 'dockersh-init'),
      screenProgram: path.join(import.meta.dirname, 'dockersh-screen.js'),
      figuresAre: (message) => this.#registry.tellAll(message),
      ...options,
    });
    return this.#pool;
  }

  async startSession(
    user: Pick<UserRecord, 'uid' | 'name'>,
    session: SessionSpec,
    connection: ClientConnection,
    prepare: () => Promise<PreparedSandbox>,
  ): Promise<SessionStart> {
    return await this.#enter(user, connection, prepare, {
      hand: async (sandbox) => {
        const identity = identityIn(sandbox.record, session);
        return await sandbox.startSession(session, identity, connection);
      },
      refusal: (failure) => refusalOf(failure, session),
    });
  }

  async joinConnection(
    connection: ConnectionSpec,
    client: ClientConnection,
    prepare: () => Promise<PreparedSandbox>,
  ): Promise<SessionStart> {
    const { run } = this.#options;
    return await this.#enter(connection.user, client, prepare, {
      hand: async (sandbox) => await sandbox.joinConnection(connection, run, client),
      refusal: (failure) => connectionRefusalOf(failure, connection),
    });
  }

  async #enter(
    { uid, name }: Pick<UserRecord, 'uid' | 'name'>,
    client: ClientConnection,
    prepare: () => Promise<PreparedSandbox>,
    entry: Entry,
  ): Promise<SessionStart> {
    const deadline = Date.now() + stopPatienceMs;
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      await this.#pauses.over(uid, deadline);
      const { sandbox: pending, cold } = this.#starts.ensure(uid, prepare);
      const sandbox = await pending;
      if (sandbox.record.user !== name) throw otherUser(uid, sandbox.record.user, name);
      if (!client.isOurs) throw new DockershError('E_STOPPING'); // it asks again
      const handedOverNs = process.hrtime.bigint();
      const answer = await entry.hand(sandbox);
      if (answer.kind === 'accepted') {
        return { kind: cold ? 'cold' : 'warm', handedOverNs, imageDigest: sandbox.record.imageDigest };
      }
      if (answer.kind === 'refused') {
        const refusal = entry.refusal(answer.failure);
        if (refusal !== undefined) throw refusal;
      }
      // It is ending, or has just ended: the login waits for that and gets a fresh one.
      await within(sandbox.gone, deadline - Date.now());
      if (sandbox.failure !== undefined) throw sandbox.failure;
    }
    throw new DockershError('E_SANDBOX_START', { why: `its supervisor ended ${mostAttempts} times` });
  }

  connectionsOf(uid: Uid): number {
    return this.#registry.get(uid)?.connections.length ?? 0;
  }

  dispose(message: Buffer, connection: OwnedFd, uid: Uid): void {
    this.#startPool().disposer.dispose(message, connection, uid);
  }

  discard(uid: Uid, connection: OwnedFd): void {
    this.#startPool().disposer.discard(uid, connection);
  }

  async stop(uid: Uid, why?: string): Promise<boolean> {
    return await this.#stop(uid, this.#registry.get(uid) ?? (await this.#starts.get(uid)), why);
  }

  async stopStarted(uid: Uid): Promise<boolean> {
    return await this.#stop(uid, this.#registry.get(uid));
  }

  async #stop(uid: Uid, sandbox: Sandbox | undefined, why?: string): Promise<boolean> {
    if (sandbox === undefined) return false;
    await this.#pauses.ended(uid);
    const { told = stoppedByRoot, ...byWhom } = this.#options.byWhom?.() ?? {};
    await sandbox.stop(why ?? told, byWhom, () => this.#options.cgroups.kill(cgroupOf(sandbox.record)));
    return true;
  }

  async say(uid: Uid, text: string): Promise<number> {
    return (await this.#registry.get(uid)?.say(text)) ?? 0;
  }

  async keep(uid: Uid, storage: AsyncDisposable): Promise<void> {
    await this.#registry.keep(uid, storage);
  }

  async pause({ uid, name }: UserRecord, limitMs: number): Promise<Pause> {
    const gate = this.#pauses.begin(uid);
    try {
      const sandbox = this.#registry.get(uid);
      await sandbox?.settled;
      if (sandbox?.state === 'stopping') await within(sandbox.gone, stopPatienceMs);
      return await pauseOf(name, this.#registry.get(uid), limitMs, gate);
    } catch (error) {
      gate[Symbol.dispose]();
      throw error;
    }
  }

  uids(): Uid[] {
    return this.#registry.uids();
  }

  nameOf(uid: Uid): string | undefined {
    return this.#registry.get(uid)?.record.user;
  }

  digestOf(uid: Uid): string | undefined {
    return this.#registry.get(uid)?.record.imageDigest;
  }

  renew(): void {
    this.#registry.renew();
  }

  loads(): Load[] {
    return this.#registry.all().map(({ record, sessions, connections }) => ({
      uid: record.uid,
      memoryLimitBytes: record.memoryLimitBytes,
      sessions,
      connections,
    }));
  }

  async usage(only?: Uid): Promise<SandboxUsage[]> {
    return await oneByOne(this.#of(only), async (sandbox) => await usageOf(sandbox, this.#options.cgroups));
  }

  async counts(): Promise<SandboxCounts[]> {
    return await oneByOne(
      this.#registry.all(),
      async (sandbox) => await countsOf(sandbox, this.#options.cgroups),
    );
  }

  settingsOf(uid: Uid): Readonly<Record<string, string>> | undefined {
    return this.#registry.get(uid)?.record.settings;
  }

  async adjust(uid: Uid, limits: Limits, settings: Readonly<Record<string, string>>): Promise<boolean> {
    const sandbox = this.#registry.get(uid);
    // One that is starting has no cgroup of its own yet; it is looked at again when it has started.
    if (sandbox?.state !== 'running') return false;
    const { user, limits: before } = sandbox.record;
    const sameLimits = hasLimits(sandbox.record, limits);
    if (sameLimits && hasAll(sandbox.record.settings, settings)) return true;
    try {
      await this.#options.cgroups.apply(cgroupOf(sandbox.record), limits, before);
    } catch (error) {
      sandbox.limitsUncertain();
      throw error;
    }
    sandbox.adjusted(limits, settings);
    if (!sameLimits)
      this.#options.log.info(
        { uid, user, ...limitsOf(limits) },
        `the limits of ${user}'s sandbox have changed`,
      );
    return true;
  }

  follow(uid: Uid, network: Network): void {
    if (network.kind === 'private') this.#options.networks.follow(uid, network);
  }

  async networkOf(uid: Uid): Promise<NetworkInfo | undefined> {
    const sandbox = this.#registry.get(uid);
    return sandbox === undefined ? undefined : await networkInfoOf(sandbox, this.#options.networks);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.uids(), ...this.#starts.uids()].map((uid) => this.stop(uid)));
  }

  #of(only: Uid | undefined): Sandbox[] {
    return this.#registry.all().filter(({ record }) => only === undefined || record.uid === only);
  }

  async list(only?: Uid): Promise<SandboxInfo[]> {
    const all = this.#of(only).sort((a, b) => a.record.uid - b.record.uid);
    return await Promise.all(all.map((sandbox) => describeSandbox(sandbox, this.#options.cgroups)));
  }

  layersInUse(): Set<string> {
    const running = this.#registry.all().flatMap(({ record }) => [record.imageDigest, ...record.layers]);
    return new Set([...running, ...this.#starts.layers()]);
  }

  /** Lets go of everything; sandboxes run on. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#starts.settled();
    this.#registry.detach();
    this.#pool?.[Symbol.dispose]();
  }
}

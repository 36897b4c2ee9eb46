// The engine: every sandbox of this host, one per uid. Finds the ones that an earlier daemon left running,
// starts others, and hands sessions over.

import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { DockershError, toDockershError } from '../lib/errors.ts';
import type { OwnedFd } from '../lib/fd.ts';
import type { Logger } from '../lib/log.ts';
import { type CgroupHost, cgroupName } from './cgroup-host.ts';
import { limitsOf } from './cgroup-limits.ts';
import type { ClientConnection } from './client-connection.ts';
import { devicesFor } from './devices.ts';
import { type DiskLimits, diskLimitsOf } from './disk-limits.ts';
import type {
  DiskUse,
  Engine,
  EngineEvents,
  Limits,
  Load,
  SandboxInfo,
  SandboxSpec,
  SandboxUsage,
  SessionSpec,
  SessionStart,
  UserLayer,
  UserRecord,
} from './engine.ts';
import { Holds, within } from './holds.ts';
import { prepareIdentityLayer } from './identity-layer.ts';
import { firstRange, idMapsOf, rangeSize, SlotRegistry } from './ids.ts';
import { type Pause, Pauses, pauseOf } from './pause.ts';
import type { DiskOwner } from './project-disks.ts';
import { limitsIn, limitsText, recordOf, Sandbox, SandboxRecord } from './sandbox.ts';
import { describeSandbox } from './sandbox-info.ts';
import { SeqpacketConnection } from './seqpacket.ts';
import { specificationMessage } from './specification.ts';
import { SupervisorPool } from './supervisor-pool.ts';
import type { UserDisks } from './user-disks.ts';
import { prepareUserFolder } from './user-folder.ts';

export interface EngineOptions {
  readonly state: string;
  readonly run: string;
  /** dockersh-supervisor and dockersh-init. */
  readonly libexec: string;
  readonly cgroups: CgroupHost;
  readonly disks: UserDisks;
  readonly log: Logger;
  readonly events: EngineEvents;
}

/** Those that a running sandbox may not be able to follow. */
const diskSettings = new Set(['disk', 'inodes']);
/** How long a login waits for a stopping sandbox to be gone before it gives up. */
const stopPatienceMs = 30_000;
/** Each attempt meets another sandbox that ends; more than a few mean that none can live. */
const mostAttempts = 10;

export class Sandboxes implements Engine {
  readonly #options: EngineOptions;
  readonly #slots: SlotRegistry;
  #pool: SupervisorPool | undefined;
  readonly #sandboxes = new Map<number, Sandbox>();
  /** Starts that are being prepared: what comes before the supervisor is asked. */
  readonly #starting = new Map<number, Promise<Sandbox>>();
  readonly #holds = new Holds();
  readonly #pauses = new Pauses();
  /** Layers of sandboxes that are being prepared: in use before there is a sandbox to ask. */
  readonly #promised = new Map<number, readonly string[]>();

  private constructor(options: EngineOptions, slots: SlotRegistry) {
    this.#options = options;
    this.#slots = slots;
  }

  /** Finds running sandboxes again and clears away what others left, before anybody can log in. */
  static async open(options: EngineOptions): Promise<Sandboxes> {
    await mkdir(path.join(options.run, 'sandboxes'), { recursive: true, mode: 0o700 });
    await mkdir(path.join(options.run, 'mnt'), { recursive: true, mode: 0o711 });
    await mkdir(path.join(options.state, 'users'), { recursive: true, mode: 0o700 });
    const slots = await SlotRegistry.open(path.join(options.state, 'ids.json'));
    const engine = new Sandboxes(options, slots);
    await engine.#reconcile();
    engine.#startPool();
    return engine;
  }

  /** After the clean-up, which would take the fresh supervisors' cgroups for left-overs. */
  #startPool(): SupervisorPool {
    const { libexec, cgroups, log } = this.#options;
    this.#pool ??= new SupervisorPool({
      supervisorProgram: path.join(libexec, 'dockersh-supervisor'),
      initProgram: path.join(libexec, 'dockersh-init'),
      cgroups,
      log,
    });
    return this.#pool;
  }

  #recordFile(uid: number): string {
    return path.join(this.#options.run, 'sandboxes', `${uid}.json`);
  }

  #controlSocket(uid: number): string {
    return path.join(this.#options.run, 'sandboxes', `${uid}.sock`);
  }

  #adopt(
    uid: number,
    connection: SeqpacketConnection,
    record: SandboxRecord,
    state: 'starting' | 'running',
  ): Sandbox {
    const { events, log } = this.#options;
    const sandbox = new Sandbox(connection, record, this.#recordFile(uid), state, {
      started: (steps) => events.sandboxStarted({ uid, steps }),
      sessionEnded: events.sessionEnded,
      gone: () => {
        if (this.#sandboxes.get(uid) === sandbox) this.#sandboxes.delete(uid);
        const { failure } = sandbox;
        if (failure === undefined) log.info({ uid, user: record.user }, 'sandbox ended');
        else log.error({ uid, user: record.user, err: failure }, 'sandbox could not be started');
        events.sandboxEnded(uid);
        void this.#options.disks.drop(uid);
        this.#clearAfter(record).catch((error: unknown) => log.error({ err: error, uid }, 'clean-up failed'));
      },
    });
    this.#sandboxes.set(uid, sandbox);
    return sandbox;
  }

  /** A supervisor clears up after itself; one that was killed could not. */
  async #clearAfter({ uid, user }: SandboxRecord): Promise<void> {
    if (this.#sandboxes.has(uid) || this.#starting.has(uid)) return;
    await rm(this.#controlSocket(uid), { force: true });
    await this.#options.cgroups.removeSandbox(cgroupName(uid, user));
  }

  async #reconcile(): Promise<void> {
    const folder = path.join(this.#options.run, 'sandboxes');
    for (const name of await readdir(folder)) {
      const uid = /^(\d+)\.json$/.exec(name)?.[1];
      if (uid !== undefined) await this.#reconnect(Number(uid));
    }
    await this.#clearCgroups();
  }

  async #reconnect(uid: number): Promise<void> {
    const { log, disks } = this.#options;
    try {
      const record = SandboxRecord.parse(JSON.parse(await readFile(this.#recordFile(uid), 'utf8')));
      const sandbox = this.#adopt(
        uid,
        SeqpacketConnection.connect(this.#controlSocket(uid)),
        record,
        'running',
      );
      disks.keep(uid);
      log.info(
        { uid, user: record.user, stopping: (await sandbox.adoptSessions())?.stopping },
        'sandbox found again',
      );
    } catch (error) {
      // ECONNREFUSED, ENOENT: nobody is there. A record that can't be read belongs to nobody either.
      log.warn({ uid, err: error }, 'a sandbox of an earlier daemon is gone');
      await rm(this.#recordFile(uid), { force: true });
      await rm(this.#controlSocket(uid), { force: true });
    }
  }

  /** Removes what killed supervisors left. Ready supervisors' own ("ready-…") go when they do. */
  async #clearCgroups(): Promise<void> {
    const living = [...this.#sandboxes.values()].map(({ record }) => cgroupName(record.uid, record.user));
    await this.#options.cgroups.removeStale(new Set(living));
  }

  async #prepare(uid: number, describe: () => Promise<SandboxSpec>): Promise<Sandbox> {
    const { cgroups, disks, run, log } = this.#options;
    const spec = await describe();
    this.#promised.set(
      uid,
      spec.image.layers.map((layer) => layer.path),
    );
    if (Math.max(uid, spec.user.gid) >= firstRange) {
      throw new DockershError('E_UID_RANGE', { why: `uid ${uid}, gid ${spec.user.gid}` });
    }
    const ids = idMapsOf(spec.user, await this.#slots.slotOf(uid));
    await using disk = await disks.open(uid);
    const folder = await prepareUserFolder(spec.user, ids.rootId, disk, spec);
    const name = cgroupName(uid, spec.user.name);
    const host = spec.hostname ?? hostname();
    const identity = await prepareIdentityLayer(folder.identity, spec, host, ids);
    const layer = path.join(disk.folder, spec.layer === 'rescue' ? 'rescue' : 'layer');
    await disks.seal({ uid, projectId: ids.rootId }, spec, layer);
    const specification = specificationMessage(spec, {
      name,
      hostname: host,
      ids,
      folder,
      identity,
      limits: cgroups.writesFor(spec, spec.strict),
      delegated: await this.#delegated(spec, name),
      devices: await devicesFor(spec, (missing) => log.warn({ uid, missing }, 'devices are missing')),
      mountpoint: path.join(run, 'mnt'),
      controlSocket: this.#controlSocket(uid),
    });
    await this.#pauses.ended(uid); // somebody reads the layer that it would write to
    const sandbox = this.#adopt(uid, this.#startPool().take(), recordOf(spec), 'starting');
    disks.keep(uid);
    try {
      sandbox.build(specification);
    } catch (error) {
      sandbox.detach(); // a supervisor without a sandbox ends when its connection does
      this.#sandboxes.delete(uid);
      void disks.drop(uid);
      throw error;
    }
    return sandbox;
  }

  /** The cgroup that the user may divide further, where policy allows nesting. */
  async #delegated({ nesting }: SandboxSpec, name: string): Promise<string | undefined> {
    const parent = nesting === 'yes' ? await this.#options.cgroups.unifiedParent() : undefined;
    return parent === undefined ? undefined : path.join(parent, name);
  }

  /** The user's sandbox, prepared by one caller however many ask at once. */
  #ensure(uid: number, describe: () => Promise<SandboxSpec>): { sandbox: Promise<Sandbox>; cold: boolean } {
    const running = this.#sandboxes.get(uid);
    if (running !== undefined)
      return { sandbox: Promise.resolve(running), cold: running.state === 'starting' };
    const starting = this.#starting.get(uid);
    if (starting !== undefined) return { sandbox: starting, cold: true };
    const sandbox = this.#prepare(uid, describe)
      .catch((error: unknown) => {
        throw toDockershError(error, 'E_SANDBOX_START');
      })
      .finally(() => {
        this.#starting.delete(uid);
        this.#promised.delete(uid);
      });
    this.#starting.set(uid, sandbox);
    return { sandbox, cold: true };
  }

  async startSession(
    uid: number,
    session: SessionSpec,
    connection: ClientConnection,
    describe: () => Promise<SandboxSpec>,
  ): Promise<SessionStart> {
    const deadline = Date.now() + stopPatienceMs;
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      for (let held = this.#holds.ended(uid); held !== undefined; held = this.#holds.ended(uid)) {
        await within(held, deadline - Date.now());
      }
      const paused = this.#pauses.ended(uid);
      if (paused !== undefined) await within(paused, deadline - Date.now());
      const { sandbox: pending, cold } = this.#ensure(uid, describe);
      const sandbox = await pending;
      const identity = sandbox.identityOf(session);
      const client = connection.take();
      if (client === undefined) throw new DockershError('E_STOPPING'); // it sends its login again
      const handedOverNs = process.hrtime.bigint();
      const answer = await sandbox.startSession(session, identity, client);
      if (answer.kind === 'accepted') {
        return { kind: cold ? 'cold' : 'warm', handedOverNs, imageDigest: sandbox.record.imageDigest };
      }
      if (answer.kind === 'refused') connection.giveBack(answer.connection);
      if (answer.kind === 'refused' && answer.reason === 'sessions')
        throw new DockershError('E_SESSIONS', { userDetail: 'this sandbox has 256' });
      if (answer.kind === 'refused' && answer.reason === 'limit')
        throw new DockershError('E_SESSIONS', {
          userDetail: `${session.limits.mostSessions ?? 'no more'} at a time are allowed`,
        });
      if (answer.kind === 'refused' && answer.reason === 'protocol') throw new DockershError('E_PROTOCOL');
      // It is ending, or has just ended: the login waits for that and gets a fresh one.
      await within(sandbox.gone, deadline - Date.now());
      if (sandbox.failure !== undefined) throw sandbox.failure;
    }
    throw new DockershError('E_SANDBOX_START', { why: `its supervisor ended ${mostAttempts} times` });
  }

  dispose(message: Buffer, connection: OwnedFd): void {
    this.#startPool().dispose(message, connection);
  }

  async stop(uid: number): Promise<boolean> {
    const sandbox = this.#sandboxes.get(uid) ?? (await this.#starting.get(uid));
    if (sandbox === undefined) return false;
    await this.#pauses.ended(uid);
    await sandbox.stop();
    return true;
  }

  async withStopped<T>(
    uid: number,
    work: () => Promise<T>,
  ): Promise<{ readonly stopped: boolean; readonly result: T }> {
    using _hold = await this.#holds.take(uid);
    // A start that fails leaves nothing to stop, and its login hears of it.
    await this.#starting.get(uid)?.catch(() => undefined);
    const stopped = await this.stop(uid);
    return { stopped, result: await work() };
  }

  async pause({ uid, name }: UserRecord, limitMs: number): Promise<Pause> {
    const gate = this.#pauses.begin(uid);
    try {
      const sandbox = this.#sandboxes.get(uid);
      await sandbox?.settled;
      if (sandbox?.state === 'stopping') await within(sandbox.gone, stopPatienceMs);
      return await pauseOf(name, this.#sandboxes.get(uid), limitMs, gate);
    } catch (error) {
      gate[Symbol.dispose]();
      throw error;
    }
  }

  async layerOf(user: UserRecord): Promise<UserLayer> {
    const { uidMap, gidMap } = idMapsOf(user, await this.#slots.slotOf(user.uid));
    const disk = await this.#options.disks.open(user.uid);
    const { folder } = disk;
    return {
      folder,
      upper: path.join(folder, 'layer/upper'),
      ids: { uidMap, gidMap },
      [Symbol.asyncDispose]: async () => await disk[Symbol.asyncDispose](),
    };
  }

  async #diskOwner(uid: number): Promise<DiskOwner> {
    return { uid, projectId: firstRange + (await this.#slots.slotOf(uid)) * rangeSize };
  }

  async prepareDisk({ uid }: UserRecord, limits: DiskLimits, strict: boolean): Promise<void> {
    await this.#options.disks.prepare(await this.#diskOwner(uid), limits, strict);
  }

  hasRange(uid: number): boolean {
    return this.#slots.has(uid);
  }

  async releaseRange(uid: number): Promise<void> {
    await this.#slots.release(uid);
  }

  uids(): number[] {
    return [...this.#sandboxes.keys()];
  }

  loads(): Load[] {
    return [...this.#sandboxes.values()].map(({ record, sessions }) => ({
      uid: record.uid,
      memoryBytes: record.memoryLimitBytes,
      sessions,
    }));
  }

  async usage(): Promise<SandboxUsage[]> {
    return await Promise.all(
      [...this.#sandboxes.values()].map(async ({ record, sessions }) => {
        const { uid, user, memoryLimitBytes, cpus, pidsLimit } = record;
        const used = await this.#options.cgroups.usage(cgroupName(uid, user));
        const disk = await this.#diskUse(uid);
        return { uid, user, sessions: sessions.length, ...used, memoryLimitBytes, cpus, pidsLimit, disk };
      }),
    );
  }

  async #diskUse(uid: number): Promise<DiskUse | null> {
    try {
      return (await this.#options.disks.use(await this.#diskOwner(uid))) ?? null;
    } catch (error) {
      this.#options.log.warn({ uid, err: error }, 'what a user keeps on the disk cannot be counted');
      return null; // no reason to show nothing
    }
  }

  settingsOf(uid: number): Readonly<Record<string, string>> | undefined {
    return this.#sandboxes.get(uid)?.record.settings;
  }

  async adjust(
    uid: number,
    limits: Limits & DiskLimits,
    settings: Readonly<Record<string, string>>,
  ): Promise<boolean> {
    const sandbox = this.#sandboxes.get(uid);
    // One that is starting has no cgroup of its own yet; it is looked at again when it has started.
    if (sandbox?.state !== 'running') return false;
    const { user, limits: before } = sandbox.record;
    if (before === limitsText(limits)) return true;
    try {
      await this.#options.cgroups.apply(cgroupName(uid, user), limits, limitsIn(sandbox.record));
    } catch (error) {
      sandbox.limitsUncertain();
      throw error;
    }
    const isAll = await this.#options.disks.adjust(await this.#diskOwner(uid), diskLimitsOf(limits));
    const effective = Object.entries(settings).filter(([key]) => isAll || !diskSettings.has(key));
    sandbox.adjusted(limits, Object.fromEntries(effective));
    this.#options.log.info({ uid, user, ...limitsOf(limits), ...diskLimitsOf(limits) }, 'limits changed');
    return true;
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#sandboxes.keys(), ...this.#starting.keys()].map((uid) => this.stop(uid)));
  }

  async list(): Promise<SandboxInfo[]> {
    const all = [...this.#sandboxes.values()].sort((a, b) => a.record.uid - b.record.uid);
    return await Promise.all(all.map((sandbox) => describeSandbox(sandbox, this.#options.cgroups)));
  }

  layersInUse(): Set<string> {
    const running = [...this.#sandboxes.values()].flatMap(({ record }) => [
      record.imageDigest,
      ...record.layers,
    ]);
    return new Set([...running, ...[...this.#promised.values()].flat()]);
  }

  /** Lets go of everything; sandboxes run on. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#starting.values());
    for (const sandbox of this.#sandboxes.values()) sandbox.detach();
    this.#pool?.[Symbol.dispose]();
  }
}

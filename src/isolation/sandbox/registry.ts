// Knows all sandboxes, one per uid at most: those that this daemon starts, and those that an earlier one left
// running. The files that each has in the run folder, which are removed here when its supervisor could not do it:
//
//   <run>/sandboxes/<uid>.sock   its supervisor listens there
//   <run>/sandboxes/<uid>.json   what it is (record.ts)

import { rmSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from '../../lib/log.ts';
import type { PrivateNetwork } from '../../lib/network/network.ts';
import { type AbsolutePath, below } from '../../lib/values/absolute-path.ts';
import { type Uid, uidIn } from '../../lib/values/uid.ts';
import { WireWriter } from '../../lib/wire.ts';
import type { CgroupHost } from '../cgroup/host.ts';
import type { EngineEvents } from '../engine.ts';
import type { Networks } from '../network/networks.ts';
import type { NetworkPlan } from '../network/plan.ts';
import { SeqpacketConnection } from '../socket/seqpacket.ts';
import { cgroupOf, SandboxRecord } from './record.ts';
import { Sandbox } from './sandbox.ts';

export interface SandboxRegistryOptions {
  readonly run: AbsolutePath;
  readonly cgroups: CgroupHost;
  readonly log: Logger;
  readonly events: EngineEvents;
  readonly networks: Networks;
}

export class SandboxRegistry {
  readonly #options: SandboxRegistryOptions;
  readonly #isStarting: (uid: Uid) => boolean;
  readonly #sandboxes = new Map<Uid, Sandbox>();
  /** What is kept open for them. */
  readonly #storages = new Map<Sandbox, AsyncDisposable>();
  /** Of what a sandbox that has ended left, under names that the user's next one takes. */
  readonly #clearings = new Map<Uid, Promise<void>>();

  /** `isStarting`: another of that uid is being prepared, so that what lies there is not left over. */
  constructor(options: SandboxRegistryOptions, isStarting: (uid: Uid) => boolean) {
    this.#options = options;
    this.#isStarting = isStarting;
  }

  get(uid: Uid): Sandbox | undefined {
    return this.#sandboxes.get(uid);
  }

  /** The host's files have changed: none goes by what it found before. */
  renew(): void {
    this.tellAll(new WireWriter('renew').finish());
  }

  tellAll(message: Buffer): void {
    for (const sandbox of this.all()) sandbox.tell(message);
  }

  uids(): Uid[] {
    return [...this.#sandboxes.keys()];
  }

  all(): Sandbox[] {
    return [...this.#sandboxes.values()];
  }

  #recordFile(uid: Uid): string {
    return path.join(this.#options.run, 'sandboxes', `${uid}.json`);
  }

  controlSocket(uid: Uid): AbsolutePath {
    return below(this.#options.run, 'sandboxes', `${uid}.sock`);
  }

  /** Owns the connection to the supervisor. The sandbox is here until nothing of it is left. */
  adopt(
    uid: Uid,
    connection: SeqpacketConnection,
    record: SandboxRecord,
    state: 'starting' | 'running',
  ): Sandbox {
    const { events } = this.#options;
    const sandbox = Sandbox.attach(connection, record, this.#recordFile(uid), state, {
      started: (steps) => {
        const { user, image, imageDigest: digest } = record;
        events.sandboxStarted({ uid, user, image, digest, steps });
      },
      sessionEnded: events.sessionEnded,
      connectionEnded: events.connectionEnded,
      forwarded: (forward) => events.forwarded({ ...forward, uid, user: record.user }),
      sessionDetached: events.sessionDetached,
      sessionAttached: events.sessionAttached,
      sessionRecording: events.sessionRecording,
      asked: (words, answer) => events.asked({ uid, user: record.user, words, answer }),
      refused: (lines) => {
        const told = this.#options.networks.refused.add(uid, record.user, lines);
        for (const now of told) events.trafficRefused(now);
      },
      missing: (lines) => this.#options.networks.missing(uid, record.user, lines),
      left: () =>
        this.#options.log.warn(
          { uid, user: record.user, cgroup: cgroupOf(record) },
          'processes of a sandbox that has ended hang in the kernel',
        ),
      gone: () => this.#gone(uid, sandbox, record),
    });
    this.#sandboxes.set(uid, sandbox);
    return sandbox;
  }

  /** `network`: undefined: not known, of a sandbox that an earlier daemon has started; `plan`: what it has been told. */
  joinNetwork(sandbox: Sandbox, network?: PrivateNetwork, plan?: NetworkPlan): void {
    const { uid, user, hostname = '', link } = sandbox.record;
    if (link === undefined || this.#sandboxes.get(uid) !== sandbox) return;
    const tell = async (next: NetworkPlan) => await sandbox.changeNetwork(next);
    this.#options.networks.join({ uid, user, hostname, link }, tell, network, plan);
  }

  #gone(uid: Uid, sandbox: Sandbox, record: SandboxRecord): void {
    const { events, log } = this.#options;
    if (this.#sandboxes.get(uid) === sandbox) this.#sandboxes.delete(uid);
    const { failure } = sandbox;
    if (failure?.code === 'E_NETWORK') this.#options.networks.unable(failure);
    if (record.link !== undefined) this.#options.networks.leave(uid, record.link);
    const ms = Math.max(0, Date.now() - Date.parse(record.startedAt));
    events.sandboxEnded({ uid, user: record.user, ...sandbox.end, failure, ms });
    this.#letGo(sandbox).catch((error: unknown) =>
      log.warn({ err: error, uid }, 'closing the disk of a user'),
    );
    this.#beginClearing(record);
  }

  /** Resolves when nothing of the user's is cleared away any more: what the next sandbox makes would be. */
  async cleared(uid: Uid): Promise<void> {
    await this.#clearings.get(uid);
  }

  #beginClearing(record: SandboxRecord): void {
    const { uid } = record;
    const clearing = this.#clearAfter(record)
      .catch((error: unknown) => this.#options.log.error({ err: error, uid }, 'clean-up failed'))
      .finally(() => {
        if (this.#clearings.get(uid) === clearing) this.#clearings.delete(uid);
      });
    this.#clearings.set(uid, clearing);
  }

  /** Keeps it open until nothing is left of the sandbox; for none, not at all. */
  async keep(uid: Uid, storage: AsyncDisposable): Promise<void> {
    const sandbox = this.#sandboxes.get(uid);
    if (sandbox === undefined) await storage[Symbol.asyncDispose]();
    else this.#storages.set(sandbox, storage);
  }

  async #letGo(sandbox: Sandbox): Promise<void> {
    const storage = this.#storages.get(sandbox);
    this.#storages.delete(sandbox);
    await storage?.[Symbol.asyncDispose]();
  }

  /** A supervisor clears up after itself; one that was killed could not. */
  async #clearAfter(record: SandboxRecord): Promise<void> {
    const { uid } = record;
    if (this.#sandboxes.has(uid) || this.#isStarting(uid)) return;
    await rm(this.controlSocket(uid), { force: true });
    await this.#options.cgroups.removeSandbox(cgroupOf(record));
  }

  /** Of one whose supervisor was never asked to build it. */
  forget(uid: Uid): void {
    this.#sandboxes.delete(uid);
    rmSync(this.#recordFile(uid), { force: true });
  }

  /** Finds running sandboxes again and clears away what others left. Call before the first start. */
  async reconcile(): Promise<void> {
    const folder = path.join(this.#options.run, 'sandboxes');
    for (const name of await readdir(folder)) {
      const uid = name.endsWith('.json') ? uidIn(path.basename(name, '.json')) : undefined;
      if (uid !== undefined) await this.#reconnect(uid);
    }
    await this.#clearCgroups();
  }

  async #reconnect(uid: Uid): Promise<void> {
    const { log } = this.#options;
    try {
      const record = SandboxRecord.parse(JSON.parse(await readFile(this.#recordFile(uid), 'utf8')));
      const connection = SeqpacketConnection.connect(this.controlSocket(uid));
      const sandbox = this.adopt(uid, connection, record, 'running');
      const state = await sandbox.adoptSessions();
      for (const { id } of state?.kept.filter(({ waits }) => waits) ?? [])
        this.#options.events.sessionRecording({ id, uid, user: record.user, state: 'waits' });
      this.joinNetwork(sandbox);
      log.info(
        { uid, user: record.user, stopping: state?.stopping },
        `the sandbox of ${record.user} runs on`,
      );
    } catch (error) {
      // ECONNREFUSED, ENOENT: nobody is there. A record that can't be read belongs to nobody either.
      log.warn({ uid, err: error }, 'a sandbox of an earlier daemon is gone');
      await rm(this.#recordFile(uid), { force: true });
      await rm(this.controlSocket(uid), { force: true });
    }
  }

  /** Removes what killed supervisors left. Ready supervisors' own ("ready-…") go when they do. */
  async #clearCgroups(): Promise<void> {
    const living = this.all().map(({ record }) => cgroupOf(record));
    await this.#options.cgroups.removeStale(new Set(living));
  }

  /** Lets go of all of them; they run on. */
  detach(): void {
    for (const sandbox of this.#sandboxes.values()) sandbox.detach();
  }
}

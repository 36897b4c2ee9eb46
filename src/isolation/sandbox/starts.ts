// Prepares cold starts: everything that is made and worked out before a supervisor is asked to build, once for each
// user however many logins ask for it.

import path from 'node:path';
import { toDockershError } from '../../lib/errors.ts';
import { closeAll } from '../../lib/fd.ts';
import type { Logger } from '../../lib/log.ts';
import { type AbsolutePath, below } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { type CgroupHost, cgroupName } from '../cgroup/host.ts';
import type { PreparedSandbox, SandboxSpec, SandboxStorage } from '../engine.ts';
import type { Networks } from '../network/networks.ts';
import type { NetworkPlan } from '../network/plan.ts';
import { isPeerGone } from '../socket/client-connection.ts';
import { readyCount, type SupervisorPool } from '../supervisor/pool.ts';
import { type Placement, specificationMessage } from '../supervisor/specification.ts';
import { devicesFor } from './devices.ts';
import { recordOf } from './record.ts';
import type { SandboxRegistry } from './registry.ts';
import type { Sandbox } from './sandbox.ts';

export interface SandboxStartsOptions {
  readonly run: AbsolutePath;
  readonly cgroups: CgroupHost;
  readonly log: Logger;
  readonly networks: Networks;
}

/** What a start takes its sandbox from, and puts it into. */
export interface StartParts {
  readonly registry: SandboxRegistry;
  readonly pool: () => SupervisorPool;
}

export class SandboxStarts {
  readonly #options: SandboxStartsOptions;
  readonly #parts: StartParts;
  readonly #starting = new Map<Uid, Promise<Sandbox>>();
  /** Layers of sandboxes that are being prepared: in use before there is a sandbox to ask. */
  readonly #promised = new Map<Uid, readonly string[]>();

  constructor(options: SandboxStartsOptions, parts: StartParts) {
    this.#options = options;
    this.#parts = parts;
  }

  has(uid: Uid): boolean {
    return this.#starting.has(uid);
  }

  /** The sandbox that is being prepared; its supervisor has been asked for it when this resolves. */
  get(uid: Uid): Promise<Sandbox> | undefined {
    return this.#starting.get(uid);
  }

  uids(): Uid[] {
    return [...this.#starting.keys()];
  }

  /** Paths of image layers that the sandboxes will have. */
  layers(): string[] {
    return [...this.#promised.values()].flat();
  }

  /** Resolves when none is being prepared any more, whether well or not. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#starting.values());
  }

  /**
   * The user's sandbox, prepared by one caller however many ask at once. `cold`: it does not run yet. Rejects with what
   * `prepare` throws, E_DEVICE, E_LIMIT_REFUSED, E_SANDBOX_START.
   */
  ensure(uid: Uid, prepare: () => Promise<PreparedSandbox>): { sandbox: Promise<Sandbox>; cold: boolean } {
    const running = this.#parts.registry.get(uid);
    if (running !== undefined)
      return { sandbox: Promise.resolve(running), cold: running.state === 'starting' };
    const starting = this.#starting.get(uid);
    if (starting !== undefined) return { sandbox: starting, cold: true };
    const sandbox = this.#start(uid, prepare)
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

  async #start(uid: Uid, prepare: () => Promise<PreparedSandbox>): Promise<Sandbox> {
    await using prepared = await prepare();
    await using held = new AsyncDisposableStack(); // until the sandbox has it
    const { spec, storage } = prepared;
    held.use(storage);
    this.#promised.set(
      uid,
      spec.image.layers.map((layer) => layer.path),
    );
    await this.#parts.registry.cleared(uid);
    const cgroup = await this.#options.cgroups.freeName(cgroupName(uid, spec.user.name));
    const network = this.#networkFor(spec);
    const placement = await this.#place(spec, storage, cgroup, network);
    const sandbox = this.#build(spec, placement);
    if (spec.network.kind === 'private') this.#parts.registry.joinNetwork(sandbox, spec.network, network);
    await this.#parts.registry.keep(uid, held.move());
    return sandbox;
  }

  async #place(
    spec: SandboxSpec,
    storage: SandboxStorage,
    name: string,
    network: NetworkPlan | undefined,
  ): Promise<Placement> {
    const { cgroups, run, log } = this.#options;
    const { uid } = spec.user;
    return {
      name,
      storage,
      limits: cgroups.writesFor(spec, spec.strict, name),
      lifts: cgroups.lifts,
      delegated: await this.#delegated(spec, name),
      devices: await devicesFor(spec, (missing) => log.warn({ uid, missing }, 'devices are missing')),
      mountpoint: below(run, 'mnt'),
      controlSocket: this.#parts.registry.controlSocket(uid),
      network,
    };
  }

  #networkFor({ user, hostname, link, network }: SandboxSpec): NetworkPlan | undefined {
    if (network.kind !== 'private' || link === undefined) return undefined;
    return this.#options.networks.planFor({ uid: user.uid, user: user.name, hostname, link }, network);
  }

  /** The cgroup that the user may divide further, where policy allows nesting. */
  async #delegated({ nesting }: SandboxSpec, name: string): Promise<string | undefined> {
    const parent = nesting === 'yes' ? await this.#options.cgroups.unifiedParent() : undefined;
    return parent === undefined ? undefined : path.join(parent, name);
  }

  /** One that waited may have ended since it was last heard of: then another is asked. */
  #build(spec: SandboxSpec, placement: Placement): Sandbox {
    for (let left = readyCount; ; left -= 1) {
      try {
        return this.#ask(spec, placement);
      } catch (error) {
        if (left === 0 || !isPeerGone(error)) throw error;
        this.#parts.pool().clearAfterKilled();
      }
    }
  }

  #ask(spec: SandboxSpec, placement: Placement): Sandbox {
    const { registry, pool } = this.#parts;
    const { uid, name } = spec.user;
    const isUsual = placement.name === cgroupName(uid, name);
    // With nesting whoever makes a /proc of their own inside needs one with nothing over it (masks.c).
    const wants = spec.lxcfs === 'auto' && spec.nesting === 'no';
    const figures = wants ? pool().figures.take() : undefined;
    const sandbox = registry.adopt(
      uid,
      pool().take(),
      recordOf(spec, isUsual ? undefined : placement.name),
      'starting',
    );
    try {
      sandbox.build(specificationMessage(spec, placement, figures), figures?.fds ?? []);
    } catch (error) {
      closeAll(figures?.fds ?? []);
      sandbox.detach(); // a supervisor without a sandbox ends when its connection does
      registry.forget(uid);
      throw error;
    }
    return sandbox;
  }
}

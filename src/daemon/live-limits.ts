// Running sandboxes follow the policy: what can change in one changes as soon as the policy does.

import type { CgroupHost } from '../isolation/cgroup-host.ts';
import type { Engine } from '../isolation/engine.ts';
import type { Users } from '../isolation/users.ts';
import type { Logger } from '../lib/log.ts';
import { describePolicyKey, policyKeys } from '../policy/schema.ts';
import type { OwnSettings } from './own-settings.ts';
import type { PolicyStore } from './policy-store.ts';

export interface LiveParts {
  readonly policy: PolicyStore;
  readonly ownSettings: OwnSettings;
  readonly users: Users;
  readonly engine: Engine;
  readonly cgroups: CgroupHost;
  readonly log: Logger;
}

const liveKeys = policyKeys.filter((key) => describePolicyKey(key).applies === 'now');

export class LiveLimits {
  readonly #parts: LiveParts;

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  /** The policy has changed, or may have while no daemon was there. */
  changed(): void {
    this.#report();
    for (const uid of this.#parts.engine.uids()) this.follow(uid);
  }

  /** Has one sandbox keep to what the policy says now. */
  follow(uid: number): void {
    const { log } = this.#parts;
    this.#adjust(uid).catch((error: unknown) =>
      log.error({ err: error, uid }, 'the limits of a running sandbox stay as they were'),
    );
  }

  async #adjust(uid: number): Promise<void> {
    const { users, policy, ownSettings, engine } = this.#parts;
    const user = users.remembered(uid) ?? (await users.find(uid));
    const given = user === undefined ? undefined : await ownSettings.given(user);
    const evaluation = given?.evaluation;
    // Whoever may not have a sandbox any more keeps the one that runs: ending it is somebody's decision.
    if (user === undefined || given === undefined || evaluation?.kind !== 'ok') return;
    const { memoryBytes, cpus, pids, cpuWeight } = evaluation.policy;
    const settings = policy.settingsOf(user, given.own);
    const live = Object.fromEntries(
      liveKeys.flatMap((key) => (settings[key] === undefined ? [] : [[key, settings[key]]])),
    );
    await engine.adjust(uid, { memoryBytes, cpus, pids, cpuWeight }, live);
  }

  /** A limit that nothing enforces is not dropped silently. */
  #report(): void {
    const { policy, cgroups, log } = this.#parts;
    const none = { memoryBytes: null, cpus: null, pids: null, cpuWeight: 100 };
    const used = {
      memory: { memoryBytes: 1 },
      cpus: { cpus: 1 },
      pids: { pids: 1 },
      cpu_weight: { cpuWeight: 1 },
    };
    for (const [key, limit] of Object.entries(used)) {
      const controller = cgroups.unenforced({ ...none, ...limit }).get(key);
      if (controller === undefined || !policy.sets(key as keyof typeof used)) continue;
      const message = `the policy sets "${key}", which this host can't enforce: it has no ${controller} controller`;
      log.warn({ key, controller }, message);
    }
  }
}

// Applies changed limits to running sandboxes as soon as the policy changes, where the kernel can.

import { setImmediate } from 'node:timers/promises';
import type { CgroupHost } from '../../isolation/cgroup/host.ts';
import type { Engine, UserRecord } from '../../isolation/engine.ts';
import type { Users } from '../../isolation/users.ts';
import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { type LimitKey, limitEntries, sampleOf } from '../../limits/limits.ts';
import type { EffectivePolicy, SectionPolicy } from '../../policy/policy.ts';
import { describePolicyKey, type PolicyKey, policyKeys } from '../../policy/schema.ts';
import type { UserStore } from '../../users/store.ts';
import type { OwnSettings } from './own-settings.ts';
import type { DiskKey } from './policy-limits.ts';
import type { PolicyStore } from './policy-store.ts';

export interface LiveParts {
  readonly policy: PolicyStore;
  readonly ownSettings: OwnSettings;
  readonly users: Users;
  readonly engine: Engine;
  readonly cgroups: CgroupHost;
  readonly store: UserStore;
  readonly log: Logger;
}

/** A limit that the policy sets and nothing here holds. */
export interface Unenforced {
  readonly key: LimitKey | DiskKey;
  readonly why: string;
}

/** What the policy gives a user now. */
interface Given {
  readonly user: UserRecord;
  readonly own: readonly SectionPolicy[];
  readonly limits: EffectivePolicy;
}

/** After a limit was refused. */
const againMs = 10_000;

/** What holds them may have to be made anew, by the next start. */
const diskKeys: ReadonlySet<PolicyKey> = new Set(['disk', 'inodes']);

const liveKeys = policyKeys.filter((key) => describePolicyKey(key).applies === 'now');

export class LiveLimits {
  readonly #parts: LiveParts;
  /** Sandboxes whose limits the kernel has refused, which is said once. */
  readonly #failing = new Set<number>();
  readonly #retries = new Map<Uid, NodeJS.Timeout>();
  /** Of the policy; the last one counts. */
  #change = 0;

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  /** The policy has changed, or may have while no daemon was there. */
  changed(): void {
    this.#report();
    this.#change += 1;
    // What they may reach comes first, of all: the limits of a thousand sandboxes take longer.
    const all = this.#parts.engine.uids().map((uid) => ({ uid, given: this.#followNetwork(uid) }));
    void this.#followLimits(this.#change, all);
  }

  /** One after the other, with whatever else there is to do in between. Ends where another change has come. */
  async #followLimits(
    change: number,
    all: readonly { readonly uid: Uid; readonly given: Promise<Given | undefined> }[],
  ): Promise<void> {
    // Why a network can't follow is the same as why limits can't, and is told with these.
    await Promise.allSettled(all.map(({ given }) => given));
    for (const { uid, given } of all) {
      if (change !== this.#change) return;
      this.#adjustOrRetry(uid, given);
      await setImmediate();
    }
  }

  /** Has one sandbox keep to what the policy says now. */
  follow(uid: Uid): void {
    this.#adjustOrRetry(uid, this.#followNetwork(uid));
  }

  #adjustOrRetry(uid: Uid, given: Promise<Given | undefined>): void {
    const { log } = this.#parts;
    this.#adjust(uid, given)
      .then(() => this.#failing.delete(uid))
      .catch((error: unknown) => {
        // Version 1 refuses less memory than there is in use; later there may be less.
        this.#retry(uid);
        if (this.#failing.has(uid)) return;
        this.#failing.add(uid);
        log.error({ err: error, uid }, 'the limits of a running sandbox are not all as the policy says yet');
      });
  }

  #retry(uid: Uid): void {
    clearTimeout(this.#retries.get(uid));
    const timer = setTimeout(() => {
      this.#retries.delete(uid);
      this.follow(uid);
    }, againMs);
    timer.unref();
    this.#retries.set(uid, timer);
  }

  /** Undefined: what runs stays as it is. */
  async #followNetwork(uid: Uid): Promise<Given | undefined> {
    const { users, ownSettings, engine } = this.#parts;
    const user = users.remembered(uid) ?? (await users.find(uid));
    const given = user === undefined ? undefined : await ownSettings.given(user);
    const evaluation = given?.evaluation;
    // A user who may no longer have a sandbox, or has lost the uid to another account, keeps the running one: only an
    // administrator ends it.
    if (
      user === undefined ||
      engine.nameOf(uid) !== user.name ||
      given === undefined ||
      evaluation?.kind !== 'ok'
    )
      return undefined;
    engine.follow(uid, evaluation.policy.network);
    return { user, own: given.own, limits: evaluation.policy };
  }

  async #adjust(uid: Uid, given: Promise<Given | undefined>): Promise<void> {
    const { policy, engine, store } = this.#parts;
    const found = await given;
    if (found === undefined) return;
    const { user, own, limits } = found;
    const settings = policy.settingsOf(user, own);
    const live = (isWanted: (key: PolicyKey) => boolean) =>
      Object.fromEntries(
        liveKeys.flatMap((key) =>
          settings[key] === undefined || !isWanted(key) ? [] : [[key, settings[key]]],
        ),
      );
    // One that is starting is looked at again when it has started.
    if (
      !(await engine.adjust(
        uid,
        limits,
        live((key) => !diskKeys.has(key)),
      ))
    )
      return;
    if (await store.adjustDisk(uid, limits))
      await engine.adjust(
        uid,
        limits,
        live((key) => diskKeys.has(key)),
      );
  }

  /** Limits that the policy sets and this host can't hold, and why. */
  async unenforced(): Promise<Unenforced[]> {
    const { policy, cgroups } = this.#parts;
    const disk = await this.#unheldDisk();
    const others = limitEntries.flatMap(([key]) => {
      const why = policy.sets(key) ? cgroups.unenforced(sampleOf(key)).get(key) : undefined;
      return why === undefined ? [] : [{ key, why }];
    });
    return [...others, ...disk];
  }

  async #unheldDisk(): Promise<Unenforced[]> {
    const { policy, store } = this.#parts;
    const keys = (['disk', 'inodes'] as const).filter((key) => policy.sets(key));
    if (keys.length === 0) return [];
    const plain = { diskBytes: 1, inodes: null, home: 'private', homeRoot: null } as const;
    const reasons = new Set<string>();
    for (const diskBackend of policy.diskBackends) {
      const { missing } = await store.disks.canHold({ ...plain, diskBackend });
      if (missing !== undefined) reasons.add(`disk_backend = ${diskBackend}: ${missing}`);
    }
    const why = [...reasons].join('; ');
    return why === '' ? [] : keys.map((key) => ({ key, why }));
  }

  /** A limit that nothing enforces is not dropped silently. */
  #report(): void {
    const { log } = this.#parts;
    this.unenforced()
      .then((all) => {
        for (const { key, why } of all)
          log.warn({ key }, `the policy sets "${key}", which can't be enforced: ${why}`);
      })
      .catch((error: unknown) => log.error({ err: error }, 'whether limits can be enforced is not known'));
  }
}

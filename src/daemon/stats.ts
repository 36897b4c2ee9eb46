// Says what running sandboxes use, and what is promised to them, for dockershctl and for metrics.

import { cpus, totalmem } from 'node:os';
import type { Engine } from '../isolation/engine.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { AdminResult } from '../protocol/admin.ts';
import type { UserStore } from '../users/store.ts';
import type { PolicyStore } from './policy/policy-store.ts';

export interface StatsParts {
  readonly policy: Pick<PolicyStore, 'host'>;
  readonly engine: Pick<Engine, 'loads' | 'usage' | 'networkOf'>;
  readonly store: Pick<UserStore, 'diskUse'>;
}

/** `only`: one user's sandbox. */
export async function statsOf(
  { policy, engine, store }: StatsParts,
  only?: Uid,
): Promise<AdminResult<'stats'>> {
  const { mostSandboxes, mostSessions, mostMemoryBytes } = policy.host;
  const promised = engine.loads().map(({ memoryLimitBytes }) => memoryLimitBytes ?? totalmem());
  const host = {
    memoryBytes: totalmem(),
    cpus: cpus().length,
    promisedBytes: promised.reduce((sum, bytes) => sum + bytes, 0),
    mostSandboxes,
    mostSessions,
    mostMemoryBytes,
  };
  const wanted = (await engine.usage()).filter(({ uid }) => only === undefined || uid === only);
  const used = wanted.map(async (one) => ({
    ...one,
    disk: await store.diskUse(one.uid),
    network: (await engine.networkOf(one.uid))?.traffic ?? null,
  }));
  return { atMs: performance.now(), host, sandboxes: await Promise.all(used) };
}

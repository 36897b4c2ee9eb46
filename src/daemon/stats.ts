// Says what running sandboxes use, and what is promised to them, for dockershctl and for metrics.

import { cpus, totalmem } from 'node:os';
import type { Engine } from '../isolation/engine.ts';
import type { SandboxCounts } from '../isolation/seen.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { AdminResult } from '../protocol/admin.ts';
import type { UserStore } from '../users/store.ts';
import type { PolicyStore } from './policy/policy-store.ts';

export interface StatsParts {
  readonly policy: Pick<PolicyStore, 'host'>;
  readonly engine: Pick<Engine, 'loads' | 'usage' | 'counts' | 'networkOf'>;
  readonly store: Pick<UserStore, 'diskUse'>;
}

export async function statsOf(parts: StatsParts): Promise<AdminResult<'stats'>> {
  const { policy, engine } = parts;
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
  const sandboxes = await withMore(parts, await engine.usage());
  return { atMs: performance.now(), host, sandboxes };
}

export type Counts = SandboxCounts & Pick<AdminResult<'stats'>['sandboxes'][number], 'disk' | 'network'>;

/** Of all running sandboxes, what is counted all the time. */
export async function countsOf(parts: StatsParts): Promise<Counts[]> {
  return await withMore(parts, await parts.engine.counts());
}

/** With what their cgroups do not count. */
const withMore = async <T extends { readonly uid: Uid }>(
  { engine, store }: StatsParts,
  sandboxes: readonly T[],
) =>
  await Promise.all(
    sandboxes.map(async (one) => ({
      ...one,
      disk: await store.diskUse(one.uid),
      network: (await engine.networkOf(one.uid))?.traffic ?? null,
    })),
  );

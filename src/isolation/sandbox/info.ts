// Describes a sandbox for administrators: what it was started with, what its supervisor says, and what it uses.

import { shownOf } from '../../limits/shapes.ts';
import type { CgroupHost } from '../cgroup/host.ts';
import type { NetworkInfo, SandboxInfo, SandboxUsage } from '../engine.ts';
import type { Networks } from '../network/networks.ts';
import { counted, type SandboxCounts } from '../seen.ts';
import { keptSessionsOf } from './kept.ts';
import { cgroupOf } from './record.ts';
import type { Sandbox } from './sandbox.ts';

export async function describeSandbox(sandbox: Sandbox, cgroups: CgroupHost): Promise<SandboxInfo> {
  const { uid, user, image, imageDigest, startedAt } = sandbox.record;
  const seen = (await sandbox.inspect()) ?? {
    stopping: false,
    initPid: 0,
    lingerMs: undefined,
    sessions: [],
    connections: [],
    kept: [],
    viewers: [],
  };
  const kept = keptSessionsOf(seen, Date.now()).map(({ id, leftAt }) => [id, leftAt] as const);
  const left = new Map(kept);
  const { memoryBytes, pids } = await cgroups.used(cgroupOf(sandbox.record), ['memoryBytes', 'pids']);
  return {
    uid,
    user,
    state: seen.stopping && sandbox.state === 'running' ? 'stopping' : sandbox.state,
    image,
    imageDigest,
    initPid: seen.initPid === 0 ? null : seen.initPid,
    sessions: seen.sessions.map(({ id, pid, pts, note }) => ({
      id,
      pid: pid === 0 ? null : pid,
      tty: pts < 0 ? null : `pts/${pts}`,
      startedAt: note.startedAt,
      from: note.from ?? null,
      leftAt: left.get(id) ?? null,
    })),
    connections: seen.connections.map(({ id, note }) => ({
      id,
      startedAt: note.startedAt,
      from: note.from ?? null,
      auth: note.auth ?? null,
      entry: note.entry ?? 'sshd',
    })),
    memoryBytes,
    pids,
    ...shownOf(sandbox.record),
    startedAt,
    // By the supervisor's clock, which no daemon's restart and nobody who sets the time changes.
    lingerUntil: seen.lingerMs === undefined ? null : new Date(Date.now() + seen.lingerMs).toISOString(),
  };
}

export async function networkInfoOf(
  sandbox: Sandbox,
  networks: Pick<Networks, 'known' | 'refused'>,
): Promise<NetworkInfo | undefined> {
  const { uid, user, link } = sandbox.record;
  if (link === undefined) return undefined;
  const traffic = await sandbox.traffic();
  return { user, link, ...networks.known(uid), traffic, refused: networks.refused.of(uid) };
}

export async function usageOf({ record, sessions }: Sandbox, cgroups: CgroupHost): Promise<SandboxUsage> {
  const { uid, user } = record;
  const used = await cgroups.usage(cgroupOf(record));
  return { uid, user, sessions: sessions.length, ...used, ...shownOf(record) };
}

export async function countsOf({ record, sessions }: Sandbox, cgroups: CgroupHost): Promise<SandboxCounts> {
  const { uid, user, memoryLimitBytes } = record;
  const used = await cgroups.used(cgroupOf(record), counted);
  return { uid, user, sessions: sessions.length, ...used, memoryLimitBytes };
}

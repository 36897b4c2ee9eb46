// The admin verbs about what users have changed.

import type { LayerChange } from '../../images/layers/diff.ts';
import type { UserRecord } from '../../isolation/engine.ts';
import type { AdminSnapshot } from '../../protocol/admin.ts';
import type { userVerbs } from '../../protocol/admin-users.ts';
import type { Snapshot } from '../../users/layer/snapshots.ts';
import { configChanges } from './config-changes.ts';
import { type AdminParts, type Call, findOwner, type Handlers } from './parts.ts';
import { policyOf, upgradeHandlers } from './upgrades.ts';

/** Changes in one line of an answer: far below the longest that the other side takes. */
const partBytes = 128 * 1024;

export function userHandlers(parts: AdminParts): Handlers<keyof typeof userVerbs> {
  const { layers } = parts;
  return {
    diff: async ({ user }, call) => await diff(parts, await findOwner(parts, user), call),
    commit: async ({ user, changes, ...request }, { progress, signal }) => {
      const record = await findOwner(parts, user);
      const wanted = { ...request, configChanges: configChanges(changes ?? []) };
      const made = await layers.commit(record, wanted, { onProgress: progress, signal });
      const { name, digest, baseDigest, layer, sizeBytes, files, pausedMs } = made;
      const leftOut = { count: made.leftOut.count, examples: [...made.leftOut.examples] };
      return { user: record.name, name, digest, baseDigest, layer, sizeBytes, files, leftOut, pausedMs };
    },
    ...snapshotHandlers(parts),
    rollback: async ({ user, name }, { signal }) => {
      const record = await findOwner(parts, user);
      const { stopped, snapshot, saved } = await layers.rollback(record, name, signal);
      return { user: record.name, stopped, snapshot: shown(snapshot), saved: shownOrNull(saved) };
    },
    reset: async ({ user, save }, { signal }) => {
      const record = await findOwner(parts, user);
      const { stopped, saved } = await layers.reset(record, await policyOf(parts, record), save, signal);
      return { user: record.name, stopped, saved: shownOrNull(saved) };
    },
    ...upgradeHandlers(parts),
  };
}

function snapshotHandlers(parts: AdminParts): Handlers<'snapshot.create' | 'snapshot.ls' | 'snapshot.rm'> {
  const { layers } = parts;
  return {
    'snapshot.create': async ({ user, name, message, pause }, { progress, signal }) => {
      const record = await findOwner(parts, user);
      const options = { onProgress: progress, signal };
      const snapshot = await layers.snapshot(record, name, { message, pause }, options);
      return { user: record.name, snapshot: shown(snapshot), pausedMs: snapshot.pausedMs };
    },
    'snapshot.ls': async ({ user }) => {
      const record = await findOwner(parts, user);
      return { user: record.name, snapshots: (await layers.snapshots(record)).map(shown) };
    },
    'snapshot.rm': async ({ user, name }, { signal }) => {
      const record = await findOwner(parts, user);
      await layers.removeSnapshot(record, name, signal);
      return { user: record.name, name };
    },
  };
}

async function diff({ layers }: AdminParts, user: UserRecord, { part, signal }: Call) {
  let pending: LayerChange[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    const sent = pending.length > 0 ? part(pending) : undefined;
    pending = [];
    bytes = 0;
    await sent;
  };
  const told = (change: LayerChange): Promise<void> | undefined => {
    pending.push(change);
    bytes += change.path.length;
    return bytes > partBytes || pending.length >= 1000 ? flush() : undefined;
  };
  const changes = await layers.diff(user, told, signal);
  await flush();
  return { user: user.name, changes };
}

function shown({ name, createdAt, message, base, sizeBytes, files }: Snapshot): AdminSnapshot {
  return {
    name,
    createdAt,
    message: message ?? null,
    image: base?.image ?? null,
    imageDigest: base?.digest ?? null,
    sizeBytes,
    files,
  };
}

function shownOrNull(snapshot: Snapshot | undefined): AdminSnapshot | null {
  return snapshot === undefined ? null : shown(snapshot);
}

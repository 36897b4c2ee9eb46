// Gives an export the files of a running sandbox as they are at one moment: layer and home are copied while it runs on, and
// it stands still for what has changed meanwhile. Snapshots change no more, and are read where they are.

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { ImportOptions } from '../../images/import/options.ts';
import type { LayerProgram } from '../../images/layers/program.ts';
import type { Engine, UserRecord } from '../../isolation/engine.ts';
import { mostPauseMs, type Paused } from '../access.ts';
import { type FollowingCopy, followLayer } from '../layer/follow.ts';
import { noLimits, type TreePlace } from './export.ts';
import { folderOf } from './manifest.ts';

export interface Still extends Paused {
  /** Where the trees are to be read. */
  readonly trees: readonly TreePlace[];
}

interface Parts {
  readonly program: LayerProgram;
  readonly engine: Engine;
  /** An empty folder for the copies. */
  readonly aside: string;
}

/** Call where no sandbox can be started meanwhile. Throws E_BUSY where it would stand still for too long, E_DISK_FULL. */
export async function standingStill(
  { program, engine, aside }: Parts,
  user: UserRecord,
  trees: readonly TreePlace[],
  { signal, onProgress }: ImportOptions,
): Promise<Still> {
  if (!engine.uids().includes(user.uid)) return { trees, pausedMs: null };
  onProgress?.({ step: 'copying what may change' });
  await using copies = new AsyncDisposableStack();
  const following: FollowingCopy[] = [];
  const moved: TreePlace[] = [];
  for (const place of trees) {
    if (place.tree.kind === 'snapshot') {
      moved.push(place);
      continue;
    }
    const folder = path.join(aside, folderOf(place.tree));
    await mkdir(folder, { mode: 0o700 });
    const to = path.join(folder, 'tree');
    // As for an image: what lies too deep for an archive stays out, and nobody waits for the disk.
    const how = { forImage: true, signal };
    following.push(copies.use(await followLayer({ ...program, limits: noLimits }, place.path, to, how)));
    moved.push({ ...place, path: to });
  }
  const pausedMs = await take({ engine, user, following, signal, onProgress });
  for (const copy of following) await copy.done();
  return { trees: moved, pausedMs };
}

async function take({
  engine,
  user,
  following,
  signal,
  onProgress,
}: ImportOptions & {
  readonly engine: Engine;
  readonly user: UserRecord;
  readonly following: readonly FollowingCopy[];
}): Promise<number | null> {
  await using pause = await engine.pause(user, mostPauseMs);
  if (pause.stoodStill)
    onProgress?.({ step: `reading what has changed meanwhile, ${user.name}'s sandbox stands still` });
  try {
    const stop = signal === undefined ? pause.signal : AbortSignal.any([signal, pause.signal]);
    for (const copy of following) await copy.take(stop);
    pause.end();
    return pause.stoodStill ? pause.durationMs : null;
  } catch (error) {
    pause.signal.throwIfAborted();
    throw error;
  }
}

// A user's own writable layer: what it was made on, its snapshots, and the ways back.
//
//   <state>/users/<uid>/layer/{upper,work}        what the sandbox mounts
//   <state>/users/<uid>/layer/base.json           the image that it is made on
//   <state>/users/<uid>/snapshots/<name>/         the same, without work, and snapshot.json
//
// A snapshot is a copy, so rolling back to it leaves it there; but a layer that another one replaces becomes a
// snapshot by being renamed, however large or deep it is. Everything is made aside under a name that begins with
// a dot and then renamed, or exchanged with what was there: a crash at any instant leaves the old state or the
// new one, and cleanUserFolder() finishes or removes the rest. The sandbox must be stopped, but for takeSnapshot(),
// layerUsage() and listSnapshots(); callers let one operation a user run at a time, but for takeSnapshot().
//
// `folder` is always <state>/users/<uid>. Runs as root; only root can enter these folders.

import { chmod, chown, mkdir, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { layerReport } from '../../images/layers/job.ts';
import type { LayerProgram } from '../../images/layers/program.ts';
import { syncFolder, writeFileAtomic } from '../../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { snapshotsFolder, upperOf } from '../places.ts';
import {
  baseOf,
  type LayerBase,
  layerBase,
  namesIn,
  readJson,
  readLayerBase,
  requireName,
  type Snapshot,
  snapshotInfo,
  snapshotName,
  usageReport,
} from './files.ts';
import { aside, replaceLayer, type Saving, snapshotsOf } from './replace.ts';

export {
  isVirtual,
  type LayerBase,
  layerUsage,
  nextBase,
  readLayerBase,
  type Snapshot,
  writeLayerBase,
} from './files.ts';
export { cleanUserFolder, type Saving } from './replace.ts';

/** Digests of every image that a layer or a snapshot below `users` (<state>/users) is made on. */
export async function layerBases(users: string): Promise<Set<string>> {
  const digests = new Set<string>();
  for (const uid of await namesIn(users))
    for (const digest of await basesIn(path.join(users, uid))) digests.add(digest);
  return digests;
}

/** The same of one user. */
export async function basesIn(folder: string): Promise<Set<string>> {
  const bases = [await readLayerBase(folder), ...(await listSnapshots(folder)).map(({ base }) => base)];
  return new Set(bases.flatMap((base) => [base?.digest, base?.before]).filter((one) => one !== undefined));
}

/** Oldest first. */
export async function listSnapshots(folder: string): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = [];
  for (const name of await namesIn(snapshotsFolder(folder))) {
    if (!snapshotName.test(name)) continue; // half made
    const place = path.join(snapshotsFolder(folder), name);
    const info = await readJson(path.join(place, 'snapshot.json'), snapshotInfo);
    const base = await readJson(baseOf(place), layerBase);
    if (info !== undefined) snapshots.push({ name, ...info, base: base && plain(base) });
  }
  return snapshots.sort((left, right) => (left.createdAt < right.createdAt ? -1 : 1));
}

export interface SnapshotOptions {
  readonly message?: string | undefined;
  /** Makes the copy, where the layer may be in use. */
  readonly copy?: ((to: string) => Promise<LayerSize>) | undefined;
}

export interface LayerSize {
  readonly bytes: number;
  readonly entries: number;
}

/** Throws E_USAGE where the name is taken or is none, E_NOT_FOUND without a layer, E_DISK_FULL. */
export async function takeSnapshot(
  program: LayerProgram,
  folder: string,
  name: string,
  options: SnapshotOptions = {},
): Promise<Snapshot> {
  requireName(name);
  const snapshots = await snapshotsOf(folder);
  if ((await namesIn(snapshots)).includes(name)) throw taken(name);
  await requireLayer(folder);
  const layer = await readLayerBase(folder);
  const base = layer && plain(layer);
  await using half = await aside(program, snapshots);
  const copy = options.copy ?? ((to: string) => copyFolder(program, upperOf(folder), to, {}));
  const usage = await copy(path.join(half.path, 'upper'));
  const info = {
    createdAt: new Date().toISOString(),
    ...(options.message === undefined ? {} : { message: options.message }),
    sizeBytes: usage.bytes,
    files: usage.entries,
  };
  if (base !== undefined) await writeFileAtomic(baseOf(half.path), `${JSON.stringify(base)}\n`);
  await writeFileAtomic(path.join(half.path, 'snapshot.json'), `${JSON.stringify(info)}\n`);
  try {
    await rename(half.path, path.join(snapshots, name));
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    throw taken(name); // by another one that was made at the same time
  }
  await syncFolder(snapshots);
  return { name, ...info, base };
}

function taken(name: string): DockershError {
  return new DockershError('E_USAGE', {
    what: `snapshot '${name}'`,
    why: 'there is one of this name already',
    hint: 'Choose another name, or remove that one first.',
  });
}

/**
 * Makes the layer what it was; the snapshot stays. Returns it, and the one that the layer has become where that
 * was asked for. Throws E_NOT_FOUND, E_DISK_FULL.
 */
export async function rollbackLayer(
  program: LayerProgram,
  folder: string,
  name: string,
  options: { readonly signal?: AbortSignal | undefined; readonly save?: Saving | undefined } = {},
): Promise<{ readonly snapshot: Snapshot; readonly saved: Snapshot | undefined }> {
  const snapshot = await findSnapshot(folder, name);
  await requireLayer(folder);
  await using half = await aside(program, folder);
  const source = path.join(snapshotsFolder(folder), name);
  await copyFolder(program, path.join(source, 'upper'), path.join(half.path, 'upper'), options);
  await mkdir(path.join(half.path, 'work'), { mode: 0o700 });
  if (snapshot.base !== undefined) {
    await writeFileAtomic(baseOf(half.path), `${JSON.stringify(snapshot.base)}\n`);
  }
  await syncFolder(half.path);
  return { snapshot, saved: await replaceLayer(program, folder, half.path, options.save) };
}

/**
 * Empties the layer. `base`: what it is to be made on from now on; without, what it was made on. Returns the
 * snapshot that the layer has become where that was asked for.
 */
export async function resetLayer(
  program: LayerProgram,
  folder: string,
  base?: LayerBase,
  save?: Saving,
): Promise<Snapshot | undefined> {
  await requireLayer(folder);
  const kept = base ?? (await readLayerBase(folder));
  await using half = await aside(program, folder);
  const upper = path.join(half.path, 'upper');
  const { uid, gid } = await stat(upperOf(folder));
  await mkdir(upper, { mode: 0o755 });
  await chmod(upper, 0o755);
  await chown(upper, uid, gid);
  await mkdir(path.join(half.path, 'work'), { mode: 0o700 });
  if (kept !== undefined) await writeFileAtomic(baseOf(half.path), `${JSON.stringify(kept)}\n`);
  await syncFolder(half.path);
  return await replaceLayer(program, folder, half.path, save);
}

/** Throws E_NOT_FOUND. */
export async function removeSnapshot(program: LayerProgram, folder: string, name: string): Promise<void> {
  await findSnapshot(folder, name);
  await using gone = await aside(program, snapshotsFolder(folder));
  await rename(path.join(snapshotsFolder(folder), name), path.join(gone.path, 'snapshot'));
  await syncFolder(snapshotsFolder(folder));
}

async function copyFolder(
  program: LayerProgram,
  from: string,
  to: string,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<LayerSize> {
  const options = { what: 'copy the layer', signal };
  return await layerReport(program, ['copy', from, to], usageReport, options);
}

async function findSnapshot(folder: string, name: string): Promise<Snapshot> {
  const found = (await listSnapshots(folder)).find((snapshot) => snapshot.name === name);
  if (found !== undefined) return found;
  throw new DockershError('E_NOT_FOUND', { what: `snapshot '${name}'`, why: 'there is none of this name' });
}

/** Ways back from an upgrade are the layer's, and no copy's. */
function plain({ image, digest }: LayerBase): LayerBase {
  return { image, digest };
}

async function requireLayer(folder: string): Promise<void> {
  try {
    await stat(upperOf(folder));
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    throw new DockershError('E_NOT_FOUND', {
      what: `layer ${upperOf(folder)}`,
      why: 'the user has never had a sandbox',
    });
  }
}

// A user's own writable layer: what it was made on, its snapshots, and the ways back.
//
//   <state>/users/<uid>/layer/{upper,work}        what the sandbox mounts
//   <state>/users/<uid>/layer/base.json           the image that it is made on
//   <state>/users/<uid>/snapshots/<name>/         the same, without work, and snapshot.json
//
// A snapshot is a copy, so rolling back to it leaves it there. Everything is made aside under a name that
// begins with a dot and then renamed, or exchanged with what was there: a crash at any instant leaves the old
// state or the new one, and cleanUserFolder() removes the rest. The sandbox must be stopped, but for
// layerUsage() and listSnapshots(); callers let one operation a user run at a time.
//
// `folder` is always <state>/users/<uid>. Runs as root; only root can enter these folders.

import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../lib/errors.ts';
import { type LayerProgram, layerFailure, removeFolder, runLayerProgram } from './layer-program.ts';
import { syncFolder } from './layout.ts';

/** base.json */
export const layerBase = z.strictObject({
  /** As the policy called it when the layer was made. */
  image: z.string(),
  /** Of the manifest, or virtual:host:FINGERPRINT. */
  digest: z.string(),
});
export type LayerBase = z.infer<typeof layerBase>;

/** snapshot.json */
const snapshotInfo = z.strictObject({
  createdAt: z.string(),
  message: z.string().optional(),
  sizeBytes: z.int().nonnegative(),
  files: z.int().nonnegative(),
});

export interface Snapshot extends z.infer<typeof snapshotInfo> {
  readonly name: string;
  readonly base: LayerBase | undefined;
}

const usageReport = z.looseObject({ entries: z.int().nonnegative(), bytes: z.int().nonnegative() });

/** One path component that starts with no dot. */
const snapshotName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/** What the layer is made on; undefined where it has not been written yet. */
export async function readLayerBase(folder: string): Promise<LayerBase | undefined> {
  return readJson(path.join(folder, 'layer/base.json'), layerBase);
}

/** Call before the first sandbox on a new layer starts, and when the layer is put on another image. */
export async function writeLayerBase(folder: string, base: LayerBase): Promise<void> {
  await writeFileAtomic(path.join(folder, 'layer/base.json'), `${JSON.stringify(base)}\n`);
}

/** Digests of every image that a layer or a snapshot below `users` (<state>/users) is made on. */
export async function layerBases(users: string): Promise<Set<string>> {
  const digests = new Set<string>();
  for (const uid of await namesIn(users)) {
    const folder = path.join(users, uid);
    const bases = [await readLayerBase(folder), ...(await listSnapshots(folder)).map(({ base }) => base)];
    for (const base of bases) if (base !== undefined) digests.add(base.digest);
  }
  return digests;
}

/** Bytes on the disk and files of the layer itself, without snapshots. */
export async function layerUsage(
  program: LayerProgram,
  folder: string,
): Promise<{ readonly bytes: number; readonly entries: number }> {
  const text = await runToEnd(program, ['usage', path.join(folder, 'layer/upper')], 'measure the layer');
  return usageReport.parse(JSON.parse(text));
}

/** Oldest first. */
export async function listSnapshots(folder: string): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = [];
  for (const name of await namesIn(path.join(folder, 'snapshots'))) {
    if (!snapshotName.test(name)) continue; // half made
    const place = path.join(folder, 'snapshots', name);
    const info = await readJson(path.join(place, 'snapshot.json'), snapshotInfo);
    if (info !== undefined) snapshots.push({ name, ...info, base: await readJson(baseOf(place), layerBase) });
  }
  return snapshots.sort((left, right) => (left.createdAt < right.createdAt ? -1 : 1));
}

export interface SnapshotOptions {
  readonly message?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called when all files have been read: whatever held them still may let go. */
  readonly onTaken?: (() => void) | undefined;
}

/** Throws E_USAGE where the name is taken or is none, E_NOT_FOUND without a layer, E_DISK_FULL. */
export async function takeSnapshot(
  program: LayerProgram,
  folder: string,
  name: string,
  options: SnapshotOptions = {},
): Promise<Snapshot> {
  requireName(name);
  const snapshots = path.join(folder, 'snapshots');
  if ((await mkdir(snapshots, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(folder);
  if ((await namesIn(snapshots)).includes(name)) {
    throw new DockershError('E_USAGE', {
      what: `snapshot '${name}'`,
      why: 'there is one of this name already',
      hint: 'Choose another name, or remove that one first.',
    });
  }
  await requireLayer(folder);
  const base = await readLayerBase(folder);
  await using half = await aside(program, snapshots);
  const usage = await copyFolder(program, upperOf(folder), path.join(half.path, 'upper'), options);
  const info = {
    createdAt: new Date().toISOString(),
    ...(options.message === undefined ? {} : { message: options.message }),
    sizeBytes: usage.bytes,
    files: usage.entries,
  };
  if (base !== undefined) await writeFileAtomic(baseOf(half.path), `${JSON.stringify(base)}\n`);
  await writeFileAtomic(path.join(half.path, 'snapshot.json'), `${JSON.stringify(info)}\n`);
  await rename(half.path, path.join(snapshots, name));
  await syncFolder(snapshots);
  return { name, ...info, base };
}

/** Makes the layer what it was; the snapshot stays. Returns it. Throws E_NOT_FOUND, E_DISK_FULL. */
export async function rollbackLayer(
  program: LayerProgram,
  folder: string,
  name: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Snapshot> {
  const snapshot = await findSnapshot(folder, name);
  await requireLayer(folder);
  await using half = await aside(program, folder);
  const source = path.join(folder, 'snapshots', name);
  await copyFolder(program, path.join(source, 'upper'), path.join(half.path, 'upper'), options);
  await mkdir(path.join(half.path, 'work'), { mode: 0o700 });
  if (snapshot.base !== undefined) {
    await writeFileAtomic(baseOf(half.path), `${JSON.stringify(snapshot.base)}\n`);
  }
  await exchange(program, half.path, folder);
  return snapshot;
}

/** Empties the layer. `base`: what it is to be made on from now on; without, what it was made on. */
export async function resetLayer(program: LayerProgram, folder: string, base?: LayerBase): Promise<void> {
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
  await exchange(program, half.path, folder);
}

/** Throws E_NOT_FOUND. */
export async function removeSnapshot(program: LayerProgram, folder: string, name: string): Promise<void> {
  await findSnapshot(folder, name);
  await using gone = await aside(program, path.join(folder, 'snapshots'));
  await rename(path.join(folder, 'snapshots', name), path.join(gone.path, 'snapshot'));
  await syncFolder(path.join(folder, 'snapshots'));
}

/** Removes what a crash left half made. Call for every user before the first sandbox starts. */
export async function cleanUserFolder(program: LayerProgram, folder: string): Promise<void> {
  for (const place of [folder, path.join(folder, 'snapshots')]) {
    for (const name of await namesIn(place)) {
      if (name.startsWith(asidePrefix)) await removeFolder(program, path.join(place, name));
    }
  }
}

const asidePrefix = '.aside-';

interface Aside extends AsyncDisposable {
  readonly path: string;
}

/** A folder that goes when disposed, unless it has been renamed; after an exchange what was there goes. */
async function aside(program: LayerProgram, parent: string): Promise<Aside> {
  const folder = path.join(parent, `${asidePrefix}${randomBytes(6).toString('hex')}`);
  await mkdir(folder, { mode: 0o700 });
  return { path: folder, [Symbol.asyncDispose]: () => removeFolder(program, folder) };
}

async function exchange(program: LayerProgram, half: string, folder: string): Promise<void> {
  await runToEnd(program, ['swap', half, path.join(folder, 'layer')], 'exchange the layer');
  await syncFolder(folder);
}

async function copyFolder(
  program: LayerProgram,
  from: string,
  to: string,
  { signal, onTaken }: Pick<SnapshotOptions, 'signal' | 'onTaken'>,
): Promise<{ readonly bytes: number; readonly entries: number }> {
  // It reports when it has read everything, and ends when that is on the disk.
  const text = await runToEnd(program, ['copy', from, to], 'copy the layer', signal, onTaken);
  return usageReport.parse(JSON.parse(text));
}

async function runToEnd(
  program: LayerProgram,
  args: readonly string[],
  what: string,
  signal?: AbortSignal,
  onOutput?: () => void,
): Promise<string> {
  const { child, ended } = runLayerProgram(program, args, signal);
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) {
    chunks.push(chunk as Buffer);
    onOutput?.();
  }
  const exit = await ended;
  if (exit.status !== 0) throw layerFailure(what, exit);
  return Buffer.concat(chunks).toString('utf8');
}

async function findSnapshot(folder: string, name: string): Promise<Snapshot> {
  const found = (await listSnapshots(folder)).find((snapshot) => snapshot.name === name);
  if (found !== undefined) return found;
  throw new DockershError('E_NOT_FOUND', { what: `snapshot '${name}'`, why: 'there is none of this name' });
}

function requireName(name: string): void {
  if (snapshotName.test(name)) return;
  throw new DockershError('E_USAGE', {
    what: `snapshot name ${JSON.stringify(name)}`,
    why: 'it is not 1 to 64 letters, digits, dots, hyphens and underscores, beginning with none of the first two marks',
  });
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

function upperOf(folder: string): string {
  return path.join(folder, 'layer/upper');
}

function baseOf(folder: string): string {
  return path.join(folder, 'base.json');
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Undefined where the file is missing; throws E_IMAGE_BROKEN where it is damaged. */
async function readJson<T extends z.ZodType>(file: string, schema: T): Promise<z.infer<T> | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw new DockershError('E_IMAGE_BROKEN', { what: file, why: 'it is damaged', cause: error });
  }
}

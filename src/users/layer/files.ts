// Reads and writes the files of a user's own layer; user-layer.ts has their paths.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { layerReport } from '../../images/layers/job.ts';
import type { LayerProgram } from '../../images/layers/program.ts';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { layerFolder, upperOf } from '../places.ts';

/** base.json */
export const layerBase = z.strictObject({
  /** As the policy called it when the layer was made. */
  image: z.string(),
  /** Of the manifest, or virtual:host:FINGERPRINT. */
  digest: z.string(),
  /** Of what the name meant before the last upgrade: the layer can be put back on it. Not in a snapshot. */
  before: z.string().optional(),
  /** Of what an administrator has put the layer back from: no start takes it by itself again. */
  refused: z.string().optional(),
});
export type LayerBase = z.infer<typeof layerBase>;

/** Of the host's own files, which are never older than they are. */
export function isVirtual(digest: string): boolean {
  return digest.startsWith('virtual:');
}

/** The base of a layer that is put on what `image` means now, after `old`. */
export function nextBase(old: LayerBase | undefined, image: string, digest: string): LayerBase {
  const isNewer = old !== undefined && old.image === image && old.digest !== digest && !isVirtual(old.digest);
  return { image, digest, ...(isNewer ? { before: old.digest } : {}) };
}

/** snapshot.json */
export const snapshotInfo = z.strictObject({
  createdAt: z.string(),
  message: z.string().optional(),
  sizeBytes: z.int().nonnegative(),
  files: z.int().nonnegative(),
});

export interface Snapshot extends z.infer<typeof snapshotInfo> {
  readonly name: string;
  readonly base: LayerBase | undefined;
}

export const usageReport = z.looseObject({ entries: z.int().nonnegative(), bytes: z.int().nonnegative() });

/** One path component that starts with no dot. */
export const snapshotName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/** What the layer is made on; undefined where it has not been written yet. */
export async function readLayerBase(folder: string): Promise<LayerBase | undefined> {
  return readJson(baseOf(layerFolder(folder)), layerBase);
}

/** Call before the first sandbox on a new layer starts, and when the layer is put on another image. */
export async function writeLayerBase(folder: string, base: LayerBase): Promise<void> {
  await writeFileAtomic(baseOf(layerFolder(folder)), `${JSON.stringify(base)}\n`);
}

/** Bytes on the disk and files of the layer itself, without snapshots. */
export async function layerUsage(
  program: LayerProgram,
  folder: string,
  signal?: AbortSignal,
): Promise<{ readonly bytes: number; readonly entries: number }> {
  const args = ['usage', upperOf(folder)];
  return await layerReport(program, args, usageReport, { what: 'measure the layer', signal });
}

export function requireName(name: string): void {
  if (snapshotName.test(name)) return;
  throw new DockershError('E_USAGE', {
    what: `snapshot name ${JSON.stringify(name)}`,
    why: 'it is not 1 to 64 letters, digits, dots, hyphens and underscores, beginning with none of the first two marks',
  });
}

export function baseOf(folder: string): string {
  return path.join(folder, 'base.json');
}

export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Undefined where the file is missing; throws E_IMAGE_BROKEN where it is damaged. */
export async function readJson<T extends z.ZodType>(
  file: string,
  schema: T,
): Promise<z.infer<T> | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw new DockershError('E_IMAGE_BROKEN', { what: file, why: 'it is damaged', cause: error });
  }
}

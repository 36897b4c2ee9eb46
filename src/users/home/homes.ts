// Copies, moves and removes private homes. What is in them may be hostile, so that is dockersh-layer's work, which
// follows no link.

import { rename, rmdir } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { layerReport } from '../../images/layers/job.ts';
import { type LayerProgram, removeFolder } from '../../images/layers/program.ts';
import { syncFolder } from '../../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { exists } from '../../lib/if-there.ts';
import type { UserDisks } from '../disk/user-disks.ts';
import type { Account } from '../owners.ts';
import { findHome, forgetHome, rememberHome } from './private-home.ts';

const copyReport = z.strictObject({
  entries: z.int(),
  bytes: z.int(),
  skippedDevices: z.int(),
  skippedMounts: z.int(),
});
export type CopyReport = z.infer<typeof copyReport>;

export const nothingCopied: CopyReport = { entries: 0, bytes: 0, skippedDevices: 0, skippedMounts: 0 };

/** Whole or not at all: what was half copied when the power went is removed by the next copy. */
export async function copyHome(
  program: LayerProgram,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<CopyReport> {
  const half = `${to}.new`;
  await removeTree(program, half);
  const job = ['copy', '--one-file-system', 'yes', from, half];
  const options = { what: `copy ${from}`, signal };
  let report: CopyReport;
  try {
    report = await layerReport(program, job, copyReport, options);
  } catch (error) {
    await removeTree(program, half);
    throw error;
  }
  await rename(half, to);
  await syncFolder(path.dirname(to));
  return report;
}

/**
 * Makes `target` of the user's private home; call while there is no sandbox. True: by rename. False: it is a copy, and the
 * home is still there. Throws E_NOT_FOUND where there is none, E_USAGE where the target is there already.
 */
export async function takeHome(
  { program, disks }: { readonly program: LayerProgram; readonly disks: UserDisks },
  { user, homeRoot }: { readonly user: Account; readonly homeRoot: string | null },
  target: string,
  signal: AbortSignal,
): Promise<boolean> {
  await using disk = await disks.open(user.uid);
  const owner = { user, outside: disk.outside, folder: disk.folder, homeRoot };
  const home = await findHome(owner);
  if (home === undefined) throw new DockershError('E_NOT_FOUND', { what: `a private home of ${user.name}` });
  if (await exists(target)) {
    throw new DockershError('E_USAGE', { what: target, why: 'it is there already', hint: 'Move it away.' });
  }
  // First: a home that is not where it is said to be would be missed. One that nothing is said of is found.
  await forgetHome(owner.outside);
  await disks.leave(user.uid, home);
  if (await renamed(home, target)) {
    await syncFolder(path.dirname(target));
    return true;
  }
  await copyHome(program, home, target, signal);
  await rememberHome(owner);
  return false;
}

/** False: it lies on another file system. */
export async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EXDEV')) return false;
    throw error;
  }
}

export async function removeTree(program: LayerProgram, tree: string): Promise<void> {
  if (await exists(tree)) await removeFolder(program, tree);
}

/** Leaves a folder in which something lies that is not ours. */
export async function removeEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  }
}

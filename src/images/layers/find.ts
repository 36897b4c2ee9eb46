// Tells whether an image has a file, by going through its layers as the kernel's overlay would: the uppermost layer that has
// a name counts, folders are merged, and links are followed, inside alone: no link of an image's is ever followed by the
// kernel on the host. Good enough to save work: folders that hide those below them (opaque ones) are not told from others,
// so that a file that one of them hides is taken to be there.

import type { Stats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../lib/errors.ts';

/** As many links as the kernel follows (path_resolution(7)). */
const mostLinks = 40;

export type Found =
  | { readonly kind: 'none' }
  | { readonly kind: 'file'; readonly path: string; readonly stats: Stats }
  | { readonly kind: 'link'; readonly target: string }
  /** One of each layer that has it, top first. */
  | { readonly kind: 'folder'; readonly folders: readonly string[] };

/** `layers`: folders, top first. `target`: an absolute path inside. */
export async function hasFile(layers: readonly string[], target: string): Promise<boolean> {
  const pending = target.split('/').reverse();
  /** The folders that have been gone through, from the root on. */
  const levels = [layers];
  let links = 0;
  while (pending.length > 0) {
    const name = pending.pop() ?? '';
    if (name === '..' && levels.length > 1) levels.pop();
    if (name === '' || name === '.' || name === '..') continue;
    const found = await look(levels.at(-1) ?? [], name);
    if (found.kind === 'none') return false;
    if (found.kind === 'file') return pending.length === 0;
    if (found.kind === 'folder') {
      levels.push(found.folders);
      continue;
    }
    links += 1;
    if (links > mostLinks) return false;
    if (found.target.startsWith('/')) levels.length = 1;
    pending.push(...found.target.split('/').reverse());
  }
  return true;
}

/** What has exactly this path: no link is followed on the way. `layers` and `target` as above. */
export async function findExact(layers: readonly string[], target: string): Promise<Found> {
  let found: Found = { kind: 'folder', folders: layers };
  for (const name of target.split('/').filter((part) => part !== '')) {
    if (found.kind !== 'folder') return { kind: 'none' };
    found = await look(found.folders, name);
  }
  return found;
}

async function look(folders: readonly string[], name: string): Promise<Found> {
  const merged: string[] = [];
  for (const folder of folders) {
    const file = path.join(folder, name);
    const stats = await lstatOf(file);
    if (stats === undefined) continue;
    if (stats.isDirectory()) {
      merged.push(file);
      continue;
    }
    if (merged.length > 0) break; // hidden, with all below it
    if (stats.isSymbolicLink()) return { kind: 'link', target: await readlink(file) };
    const isWhiteout = stats.isCharacterDevice() && stats.rdev === 0; // taken away by this layer
    return isWhiteout ? { kind: 'none' } : { kind: 'file', path: file, stats };
  }
  return merged.length > 0 ? { kind: 'folder', folders: merged } : { kind: 'none' };
}

async function lstatOf(file: string): Promise<Stats | undefined> {
  try {
    return await lstat(file);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

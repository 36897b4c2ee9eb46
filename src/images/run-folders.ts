// Finds the folders below /run that programs of an image expect everybody to write in, such as screen's: what its
// tmpfiles.d(5) says. Nobody runs systemd-tmpfiles in a sandbox, where /run is always new.

import { constants, lstatSync } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../lib/errors.ts';
import type { ResolvedImage } from './store/resolve.ts';

/** Those that are there in any sandbox. screen's on Debian is its group's, and no program has that inside. */
const always = ['screen'];
const mostFolders = 32;
const mostFiles = 512;
const mostBytes = 64 * 1024;
/** In which a file hides one of the same name in those behind it. */
const places = ['etc/tmpfiles.d', 'usr/local/lib/tmpfiles.d', 'usr/lib/tmpfiles.d', 'lib/tmpfiles.d'];
/** "d /run/screen 1777 root utmp" */
const line =
  /^[dD][!+-]*\s+"?\/(?:var\/)?run\/([\w.@-]+(?:\/[\w.@-]+){0,2})\/?"?\s+[~:]*0?([0-7]{3,4})(?:\s|$)/;

/** Of what was read already: of an image that cannot change, and of a host while its folders have not. */
const known = new Map<string, readonly string[]>();
const mostKnown = 200;

/** Below /run, as a supervisor takes them. */
export async function runFoldersOf({ layers, binds, digest }: RunImage): Promise<readonly string[]> {
  const usr = binds.find(({ target }) => target === '/usr')?.source;
  const roots = [...layers.map((layer) => layer.path), ...(usr === undefined ? [] : [path.dirname(usr)])];
  const key = usr === undefined ? digest : `${digest} ${stampOf(roots.at(-1) ?? '/')}`;
  const found = known.get(key) ?? (await read(roots));
  if (known.size >= mostKnown) known.clear();
  known.set(key, found);
  return found;
}

export type RunImage = Pick<ResolvedImage, 'layers' | 'binds' | 'digest'>;

/** A host's, which changes with its packages. Synchronous: a dozen calls of lstat cost less than handing one to another thread. */
function stampOf(root: string): string {
  return places
    .map((place) => {
      const stats = lstatSync(path.join(root, place), { throwIfNoEntry: false });
      return stats === undefined ? '-' : `${stats.ino}.${stats.mtimeMs}`;
    })
    .join(' ');
}

async function read(roots: readonly string[]): Promise<string[]> {
  const texts = new Map<string, string>(); // by name: the first one counts
  for (const place of places) {
    for (const root of roots) await readPlace(root, place, texts);
  }
  const found = new Set(always);
  for (const text of texts.values()) for (const name of worldWritable(text)) found.add(name);
  return [...found].slice(0, mostFolders);
}

async function readPlace(root: string, place: string, texts: Map<string, string>): Promise<void> {
  if ((await folderStats(root, place)) === undefined) return;
  const folder = path.join(root, place);
  for (const name of (await readdir(folder)).sort()) {
    if (texts.size >= mostFiles) return;
    if (!name.endsWith('.conf') || texts.has(name)) continue;
    texts.set(name, await readText(path.join(folder, name)));
  }
}

/** Undefined where it is none, or a link is on the way: in an image that could lead anywhere on the host. */
async function folderStats(root: string, place: string) {
  try {
    let stats = await lstat(root);
    let folder = root;
    for (const name of place.split('/')) {
      folder = path.join(folder, name);
      stats = await lstat(folder);
      if (!stats.isDirectory()) return undefined;
    }
    return stats;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Empty for what is no plain file: a link to /dev/null is how a file is switched off. */
async function readText(file: string): Promise<string> {
  try {
    await using opened = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = await opened.stat();
    return stats.isFile() && stats.size <= mostBytes ? await opened.readFile('utf8') : '';
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ELOOP', 'ENXIO', 'EACCES')) return '';
    throw error;
  }
}

/** What a tmpfiles.d(5) file has others write in below /run. */
export function worldWritable(text: string): string[] {
  return text.split('\n').flatMap((one) => {
    const [, name, mode] = line.exec(one) ?? [];
    if (name === undefined || mode === undefined || (Number.parseInt(mode, 8) & 0o002) === 0) return [];
    return name.split('/').includes('..') || name.split('/').includes('.') ? [] : [name];
  });
}

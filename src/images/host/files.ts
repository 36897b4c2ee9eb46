// Finds the files of the host's /etc that the image `host` shows, by a rule: what came with a package and everybody may read,
// links to what is shown, and a list of what is generated of such files. Never what is in the list of what is never shown:
// accounts, keys, network, services, mounts and whatever names other people or machines. On a host without dpkg the
// second list stands for the packages.
//
// Synchronous calls, with turns for others in between: there are thousands, and handing one to another thread takes twenty
// times as long as the call.

import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { breathe } from '../../lib/async/breathe.ts';
import { hasErrno } from '../../lib/errors.ts';
import { neverEtc, sharedEtc } from './lists.ts';
import { packagedFiles } from './packaged.ts';

export interface HostFile {
  /** Below /etc: "ssl/certs/ca-certificates.crt". */
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'symlink';
  readonly stats: BigIntStats;
}

const anybodyReads = 0o004n;
const anybodyEnters = 0o005n;
const typeMask = 0o170000n;
const types: ReadonlyMap<bigint, HostFile['kind']> = new Map([
  [0o100000n, 'file'],
  [0o040000n, 'folder'],
  [0o120000n, 'symlink'],
]);

function kindOf(stats: BigIntStats): HostFile['kind'] | undefined {
  const kind = types.get(stats.mode & typeMask);
  // What not everybody on the host may read is nobody's to read in a sandbox.
  if (kind === 'file' && (stats.mode & anybodyReads) === 0n) return undefined;
  if (kind === 'folder' && (stats.mode & anybodyEnters) !== anybodyEnters) return undefined;
  return kind;
}

/** Everything that is shown, folders before what is in them. */
export async function findHostFiles(hostRoot: string): Promise<HostFile[]> {
  const etc = path.join(hostRoot, 'etc');
  const found = new Map<string, HostFile>();
  for (const pattern of sharedEtc) {
    const parts = pattern.split('/');
    await walkPattern(etc, '', parts, found);
  }
  for (const name of await packagedFiles(hostRoot)) await takePackaged(etc, name, found);
  await takeLinks(etc, found);
  return [...found.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
}

const never = new RegExp(`^(?:${neverEtc.map(expressionOf).join('|')})$`);
const isNever = (name: string): boolean => never.test(name);

/** Of a glob that has "*" for any rest of a name and "{a,b}" for either. */
function expressionOf(glob: string): string {
  const parts: Readonly<Record<string, string>> = { '*': '[^/]*', '{': '(?:', ',': '|', '}': ')' };
  return glob.replaceAll(/[^\w/-]/g, (sign) => parts[sign] ?? `\\${sign}`);
}

/** With the folders that it is in, where all of these are everybody's to enter. */
async function takePackaged(etc: string, name: string, found: Map<string, HostFile>): Promise<void> {
  if (found.has(name) || path.normalize(name) !== name || name.startsWith('..')) return;
  const parts = name.split('/');
  const way = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
  if (way.some(isNever)) return;
  const all: HostFile[] = [];
  for (const step of way) {
    const file = found.get(step) ?? (await look(etc, step));
    if (file === undefined || (step !== name && file.kind !== 'folder')) return;
    all.push(file);
  }
  for (const file of all) found.set(file.name, file);
}

/** Links below folders that are shown, where they lead to what is shown: how it is said what is "enabled". */
async function takeLinks(etc: string, found: Map<string, HostFile>): Promise<void> {
  const folders = [...found.values()].filter(({ kind }) => kind === 'folder').map(({ name }) => name);
  for (const folder of folders) await takeLinksIn(etc, folder, found);
}

async function takeLinksIn(etc: string, folder: string, found: Map<string, HostFile>): Promise<boolean> {
  let hasSome = false;
  for (const base of namesIn(path.join(etc, folder))) {
    const name = path.join(folder, base);
    if (found.has(name) || isNever(name)) continue;
    const file = await look(etc, name);
    if (file === undefined || file.kind === 'file') continue;
    const isWanted =
      file.kind === 'folder' ? await takeLinksIn(etc, name, found) : leadsToShown(etc, name, found);
    if (isWanted) found.set(name, file);
    hasSome ||= isWanted;
  }
  return hasSome;
}

function leadsToShown(etc: string, name: string, found: Map<string, HostFile>): boolean {
  const target = path.resolve('/etc', path.dirname(name), readlinkSync(path.join(etc, name)));
  return /^\/(usr|bin|sbin|lib[^/]*)\//.test(target) || found.has(path.relative('/etc', target));
}

async function walkPattern(
  etc: string,
  above: string,
  parts: readonly string[],
  found: Map<string, HostFile>,
): Promise<void> {
  const [part, ...rest] = parts;
  if (part === undefined) return;
  for (const base of matching(path.join(etc, above), part)) {
    const name = path.join(above, base);
    const file = await look(etc, name);
    if (file === undefined) continue;
    if (rest.length === 0) await take(etc, file, found);
    else if (file.kind === 'folder') {
      const before = found.size;
      await walkPattern(etc, name, rest, found);
      if (found.size > before) found.set(name, file);
    }
  }
}

function matching(folder: string, part: string): string[] {
  if (!part.endsWith('*')) return [part];
  const prefix = part.slice(0, -1);
  return namesIn(folder).filter((name) => name.startsWith(prefix));
}

async function take(etc: string, file: HostFile, found: Map<string, HostFile>): Promise<void> {
  found.set(file.name, file);
  if (file.kind !== 'folder') return;
  for (const base of namesIn(path.join(etc, file.name))) {
    const child = await look(etc, path.join(file.name, base));
    if (child !== undefined) await take(etc, child, found);
  }
}

async function look(etc: string, name: string): Promise<HostFile | undefined> {
  await breathe();
  try {
    const stats = lstatSync(path.join(etc, name), { bigint: true });
    const kind = kindOf(stats);
    return kind === undefined ? undefined : { name, kind, stats };
  } catch (error) {
    // Not on this host, or replaced at this moment: the next look finds it.
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

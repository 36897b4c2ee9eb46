// Builds the one layer of the image `host`: the folders that a root filesystem has, the links that lead into
// /usr, and the shared part of /etc as copies. Everything in it belongs to root (id 0 of the sandbox).

import {
  chmodSync,
  constants,
  fstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { lstat, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import { breathe } from '../../lib/async/breathe.ts';
import { hasErrno } from '../../lib/errors.ts';
import { OwnedFd } from '../../lib/fd.ts';
import { mountPath } from '../../lib/text/mountinfo.ts';
import { isSystemId } from './accounts.ts';
import type { HostFile } from './files.ts';
import { sharedVar } from './lists.ts';

/** Raise it when what is built changes: generations built before are not used then. */
export const hostLayerVersion = 2;

export interface Bind {
  readonly source: string;
  readonly target: string;
}

const folders: readonly (readonly [string, number])[] = [
  ['dev', 0o755],
  ['etc', 0o755],
  ['home', 0o755],
  ['media', 0o755],
  ['mnt', 0o755],
  ['opt', 0o755],
  ['proc', 0o555],
  ['root', 0o700],
  ['run', 0o755],
  ['srv', 0o755],
  ['sys', 0o555],
  ['tmp', 0o1777],
  ['usr', 0o755],
  ['var', 0o755],
  ['var/cache', 0o755],
  ['var/lib', 0o755],
  ['var/local', 0o755],
  ['var/log', 0o755],
  ['var/mail', 0o755],
  ['var/opt', 0o755],
  ['var/spool', 0o755],
  ['var/tmp', 0o1777],
];

const links: readonly (readonly [string, string])[] = [
  ['etc/mtab', '../proc/self/mounts'],
  ['var/lock', '../run/lock'],
  ['var/run', '../run'],
];

// Names are looked up in the sandbox's own files and in DNS: what else the host asks (LDAP, systemd) has its
// sockets on the host.
const nsswitch = `passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
rpc: files
`;

/** Where programs and libraries may live beside /usr. */
const besideUsr = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'libo32'] as const;

/** Far above any of the listed files; a larger one is none that programs need. */
const maxFileBytes = 16 * 1024 * 1024;

export type BesideUsr = readonly { readonly name: string; readonly link: string | undefined }[];

/** How this host joins /bin and the like with /usr: a link (merged), or a folder of its own. */
export async function lookBesideUsr(hostRoot: string): Promise<BesideUsr> {
  const found: { name: string; link: string | undefined }[] = [];
  for (const name of besideUsr) {
    const host = path.join(hostRoot, name);
    try {
      const stats = await lstat(host);
      if (stats.isDirectory()) found.push({ name, link: undefined });
      else if (stats.isSymbolicLink()) found.push({ name, link: await readlink(host) });
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
    }
  }
  return found;
}

/** Those of `sharedVar` that this host has, and in which nobody but root and accounts of the system can change anything. */
export async function lookInVar(hostRoot: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of sharedVar) if (await isShared(hostRoot, `var/${name}`)) found.push(`var/${name}`);
  return found;
}

async function isShared(hostRoot: string, name: string): Promise<boolean> {
  const parts = name.split('/');
  for (const [index] of parts.entries()) {
    try {
      const stats = await lstat(path.join(hostRoot, ...parts.slice(0, index + 1)));
      const isEverybodysToRead = stats.isDirectory() && (stats.mode & 0o005) === 0o005;
      if (!isEverybodysToRead || (stats.mode & 0o002) !== 0 || !isSystemId(String(stats.uid))) return false;
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
      throw error;
    }
  }
  return true;
}

/** The host's folders that a sandbox sees as they are, read-only. */
export function hostBinds(hostRoot: string, beside: BesideUsr, inVar: readonly string[] = []): Bind[] {
  const own = beside.filter((entry) => entry.link === undefined).map((entry) => entry.name);
  return ['usr', ...own, ...inVar].map((name) => ({ source: path.join(hostRoot, name), target: `/${name}` }));
}

/** `binds`, and what is mounted below them: the overlay that each is seen through does not reach into it. */
export async function withMountsBelow(binds: readonly Bind[]): Promise<Bind[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const points = [...new Set(lines.map((line) => mountPath(line.split(' ')[4] ?? '')))].sort();
  const all: Bind[] = [];
  for (const { source, target } of binds) {
    all.push({ source, target });
    for (const point of points) {
      if (!point.startsWith(`${source}/`) || !(await lstat(point)).isDirectory()) continue;
      all.push({ source: point, target: path.posix.join(target, path.relative(source, point)) });
    }
  }
  return all;
}

/**
 * Fills the empty folder `tree`. `files` are below `etc`, folders before what is in them. Synchronous calls, with turns for
 * others in between (files.ts).
 */
export async function buildHostLayer(
  tree: string,
  etc: string,
  files: readonly HostFile[],
  beside: BesideUsr,
): Promise<void> {
  chmodSync(tree, 0o755);
  for (const [name, mode] of folders) makeFolder(path.join(tree, name), mode);
  for (const { name, link } of beside) {
    const target = path.join(tree, name);
    if (link === undefined) makeFolder(target, 0o755);
    else symlinkSync(link, target);
  }
  for (const [name, target] of links) symlinkSync(target, path.join(tree, name));
  for (const file of files) {
    await breathe();
    copy(path.join(etc, file.name), path.join(tree, 'etc', file.name), file);
  }
  writeFileSync(path.join(tree, 'etc/nsswitch.conf'), nsswitch, { mode: 0o644, flag: 'wx' });
}

function makeFolder(folder: string, mode: number): void {
  mkdirSync(folder);
  chmodSync(folder, mode); // the umask has no say
}

function copy(from: string, to: string, file: HostFile): void {
  try {
    if (file.kind === 'folder') makeFolder(to, 0o755);
    else if (file.kind === 'symlink') copyLink(from, to, file);
    else copyFile(from, to);
  } catch (error) {
    // Gone or replaced since it was found: the fingerprint is taken again after the copy, and differs then.
    if (!hasErrno(error, 'ENOENT', 'ELOOP', 'EINVAL', 'ENOTDIR')) throw error;
  }
}

function copyLink(from: string, to: string, file: HostFile): void {
  symlinkSync(readlinkSync(from), to);
  lutimesSync(to, seconds(file.stats.mtimeNs), seconds(file.stats.mtimeNs));
}

function copyFile(from: string, to: string): void {
  using source = new OwnedFd(
    openSync(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
  );
  const stats = fstatSync(source.borrow());
  const shared = stats.isFile() && (stats.mode & 0o004) !== 0 && stats.size <= maxFileBytes;
  if (!shared) return;
  // Set-id bits and write permission of groups do not travel.
  const mode = (stats.mode & 0o111) === 0 ? 0o644 : 0o755;
  writeFileSync(to, readFileSync(source.borrow()), { mode: 0o600, flag: 'wx' });
  chmodSync(to, mode);
  utimesSync(to, stats.atimeMs / 1000, stats.mtimeMs / 1000);
}

function seconds(ns: bigint): number {
  return Number(ns / 1_000_000n) / 1000;
}

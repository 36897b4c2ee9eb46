// The files of the host's /etc that the image `host` shows: a closed list, so that a file nobody thought of is not
// shared. It holds what programs in /usr need to work as they do on the host. Accounts, keys, network, services,
// mounts and whatever names other people or machines are left out.

import type { BigIntStats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../lib/errors.ts';

/** Names in /etc, "*" standing for any rest; "folder/name" takes one entry of a folder. */
export const sharedEtc: readonly string[] = [
  'alternatives',
  'bash.bashrc',
  'bash_completion*',
  'bashrc',
  'ca-certificates*',
  'crypto-policies',
  'csh.cshrc',
  'csh.login',
  'debian_version',
  'emacs',
  'fish',
  'fonts',
  'gai.conf',
  'gitconfig',
  'groff',
  'gtk-3.0',
  'host.conf',
  'inputrc',
  'issue',
  'java*',
  'ld.so.cache',
  'ld.so.conf*',
  'locale.alias',
  'locale.conf',
  'locale.gen',
  'localtime',
  'login.defs',
  'lsb-release',
  'magic*',
  'mailcap',
  'mime.types',
  'manpath.config',
  'nanorc',
  'netconfig',
  'networks',
  'os-release',
  'perl',
  'pki/ca-trust',
  'pki/tls/cert.pem',
  'pki/tls/certs',
  'profile*',
  'protocols',
  'python*',
  'redhat-release',
  'rpc',
  'screenrc',
  'services',
  'shells',
  'skel',
  'ssh/ssh_config*',
  'ssl/cert*',
  'ssl/openssl.cnf',
  'terminfo',
  'timezone',
  'tmux.conf',
  'vim*',
  'wgetrc',
  'xattr.conf',
  'zsh*',
];

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

/** Everything that the list names and everybody may read, folders before what is in them. */
export async function findHostFiles(etc: string): Promise<HostFile[]> {
  const found = new Map<string, HostFile>();
  for (const pattern of sharedEtc) {
    const parts = pattern.split('/');
    await walkPattern(etc, '', parts, found);
  }
  return [...found.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
}

async function walkPattern(
  etc: string,
  above: string,
  parts: readonly string[],
  found: Map<string, HostFile>,
): Promise<void> {
  const [part, ...rest] = parts;
  if (part === undefined) return;
  for (const base of await matching(path.join(etc, above), part)) {
    const name = path.join(above, base);
    const file = await look(etc, name);
    if (file === undefined) continue;
    if (rest.length === 0) await take(etc, file, found);
    else if (file.kind === 'folder') {
      found.set(name, file);
      await walkPattern(etc, name, rest, found);
    }
  }
}

async function matching(folder: string, part: string): Promise<string[]> {
  if (!part.endsWith('*')) return [part];
  const prefix = part.slice(0, -1);
  return (await namesIn(folder)).filter((name) => name.startsWith(prefix));
}

async function take(etc: string, file: HostFile, found: Map<string, HostFile>): Promise<void> {
  found.set(file.name, file);
  if (file.kind !== 'folder') return;
  for (const base of await namesIn(path.join(etc, file.name))) {
    const child = await look(etc, path.join(file.name, base));
    if (child !== undefined) await take(etc, child, found);
  }
}

async function look(etc: string, name: string): Promise<HostFile | undefined> {
  try {
    const stats = await lstat(path.join(etc, name), { bigint: true });
    const kind = kindOf(stats);
    return kind === undefined ? undefined : { name, kind, stats };
  } catch (error) {
    // Not on this host, or replaced at this moment: the next look finds it.
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

// The sandbox's topmost read-only layer, one per user and image: the few files that make the user resolvable
// inside any image (/etc/passwd, group, hosts …) and the folders that are mounted on. As a layer it needs
// nothing of the image, hides nothing a package manager would want to replace, and never becomes part of the
// user's own changes.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SandboxSpec } from '../isolation/engine.ts';
import type { IdMaps } from '../isolation/ids.ts';
import { filesInside, hostsText } from '../isolation/network/files.ts';
import { field, homeInside } from '../isolation/sandbox/home-inside.ts';
import { syncFolder } from '../lib/atomic-file.ts';
import { hasErrno } from '../lib/errors.ts';
import { type AbsolutePath, below } from '../lib/values/absolute-path.ts';
import { programsInstead } from './identity/instead.ts';

interface Entry {
  readonly path: string;
  /** With neither: a folder. */
  readonly text?: string;
  /** Where a symbolic link leads. */
  readonly link?: string;
  /** Of a file; absent: 0644. */
  readonly mode?: number;
}

const rootLine = 'root:x:0:0:root:/root:/bin/sh';
const nobodyLine = 'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin';
const mountPoints = ['proc', 'sys', 'dev', 'tmp', 'run', 'etc'];

/** `image` with the user's own line; whoever had the name or the uid in the image gives way. */
export function passwdText(
  image: string | undefined,
  spec: Pick<SandboxSpec, 'user' | 'shell'>,
  home: string,
): string {
  const { user } = spec;
  // "x" would mean a line of /etc/shadow, without which PAM takes the account for a broken one.
  const own = [user.name, '*', user.uid, user.gid, user.gecos, home, spec.shell].map((part) =>
    field(String(part)),
  );
  const lines = (image ?? `${rootLine}\n${nobodyLine}`).split('\n').filter((line) => {
    const [name, , uid] = line.split(':');
    // As a number: "01000" and "+1000" are one and the same to getpwuid(3).
    return line !== '' && name !== user.name && Number(uid) !== user.uid;
  });
  const root = lines.some((line) => line.startsWith('root:')) ? [] : [rootLine];
  return `${[...root, ...lines, own.join(':')].join('\n')}\n`;
}

/** As passwdText, for the user's groups. */
export function groupText(image: string | undefined, user: SandboxSpec['user']): string {
  const groups = new Map(user.groups.map((group) => [group.gid, group.name]));
  if (!groups.has(user.gid)) groups.set(user.gid, user.name);
  groups.delete(0); // group 0 inside is never the host's
  const names = new Set(groups.values());
  const lines = (image ?? 'root:x:0:\nnogroup:x:65534:').split('\n').filter((line) => {
    const [name, , gid] = line.split(':');
    return line !== '' && !names.has(name ?? '') && !groups.has(Number(gid));
  });
  const own = [...groups].map(([gid, name]) => {
    const shown = field(name) === '' ? `group${gid}` : field(name);
    return `${shown}:x:${gid}:${gid === user.gid ? '' : field(user.name)}`;
  });
  return `${[...lines, ...own].join('\n')}\n`;
}

async function hostText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error; // a host without it
    return '';
  }
}

async function networkFiles(spec: SandboxSpec): Promise<Entry[]> {
  if (spec.network.kind === 'host') {
    return [
      { path: 'etc/hosts', text: await hostText('/etc/hosts') },
      { path: 'etc/resolv.conf', text: await hostText('/etc/resolv.conf') },
    ];
  }
  if (spec.link !== undefined) {
    return [
      { path: 'etc/hosts', text: hostsText(spec.hostname, spec.link.addresses) },
      // These change while the sandbox runs, and no file of a layer may.
      { path: 'etc/resolv.conf', link: `${filesInside}/resolv.conf` },
      { path: 'etc/dockersh/published', link: `${filesInside}/published` },
    ];
  }
  const hosts = `127.0.0.1\tlocalhost\n127.0.1.1\t${spec.hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`;
  return [
    { path: 'etc/hosts', text: hosts },
    { path: 'etc/resolv.conf', text: '# This sandbox has no network but its own loopback.\n' },
  ];
}

/** Whoever may be root inside has no password to prove that with. By the id: a name may hold anything. */
function sudoEntries({ root, user }: SandboxSpec): Entry[] {
  if (root !== 'yes') return [];
  return [{ path: 'etc/sudoers.d/dockersh', text: `#${user.uid} ALL=(ALL:ALL) NOPASSWD: ALL\n` }];
}

/**
 * Ids for containers inside: all of the user's range but root's, with the user's own first enough for images that use
 * 65534. Whoever can have them can be root inside, and so have any of them, already. Ids of the user's own lie
 * between, and no line of a uid_map may reach across one (user_namespaces(7)).
 */
export function subordinateText(name: string, idMap: string): string {
  const ranges = idMap.split('\n').flatMap((line) => {
    const [inside = 0, outside = 0, size = 0] = line.split(' ').map(Number);
    const start = Math.max(inside, 1);
    const count = inside + size - start;
    return count > 0 && inside !== outside ? [`${field(name)}:${start}:${count}\n`] : [];
  });
  return ranges.join('');
}

/** Not on the host's own programs: newuidmap has no effect there (nosuid), and whoever finds ranges tries to use them. */
function nestingEntries({ nesting, user, image }: SandboxSpec, ids: IdMaps): Entry[] {
  if (nesting !== 'yes' || image.binds.length > 0) return [];
  return [
    { path: 'etc/subuid', text: subordinateText(user.name, ids.uidMap) },
    { path: 'etc/subgid', text: subordinateText(user.name, ids.gidMap) },
  ];
}

/** The others are made below what is mounted there, by the supervisor. */
function mountsOnRoot({ mounts, user }: SandboxSpec): SandboxSpec['mounts'] {
  const home = `${homeInside(user)}/`;
  return mounts.filter(({ target }) => !`${target}/`.startsWith(home) && !target.startsWith('/tmp/'));
}

async function entriesOf(spec: SandboxSpec, ids: IdMaps): Promise<Entry[]> {
  const home = homeInside(spec.user);
  const ancestors = home.split('/').slice(1);
  const homeFolders = ancestors.map((_, index) => ancestors.slice(0, index + 1).join('/'));
  return [
    ...[...mountPoints, ...homeFolders].map((folder) => ({ path: folder })),
    ...[...spec.image.binds, ...mountsOnRoot(spec)].map(({ target }) => ({ path: target.slice(1) })),
    { path: 'etc/passwd', text: passwdText(spec.image.passwd, spec, home) },
    { path: 'etc/group', text: groupText(spec.image.group, spec.user) },
    { path: 'etc/hostname', text: `${spec.hostname}\n` },
    { path: 'etc/machine-id', text: `${spec.machineId}\n` },
    ...programsInstead(spec.image.binds, existsSync, spec.settings['cron'] === 'yes').map((one) => ({
      ...one,
      mode: 0o755,
    })),
    ...(await networkFiles(spec)),
    ...sudoEntries(spec),
    ...nestingEntries(spec, ids),
  ];
}

async function writeEntry(root: string, entry: Entry): Promise<void> {
  const target = path.join(root, entry.path);
  if (entry.text === undefined && entry.link === undefined) {
    await mkdir(target, { recursive: true, mode: 0o755 });
    return;
  }
  await mkdir(path.dirname(target), { recursive: true, mode: 0o755 });
  if (entry.link !== undefined) return await symlink(entry.link, target);
  await writeFile(target, entry.text ?? '', { mode: 0o600 });
  await chmod(target, entry.mode ?? 0o644);
}

/**
 * The layer's folder under `folder`, written only where it is not there already; older ones are removed. The
 * user must have no running sandbox.
 */
export async function prepareIdentityLayer(
  folder: AbsolutePath,
  spec: SandboxSpec,
  ids: IdMaps,
): Promise<AbsolutePath> {
  const entries = await entriesOf(spec, ids);
  const digest = createHash('sha256').update(JSON.stringify(entries)).digest('hex').slice(0, 16);
  const layer = below(folder, digest);
  if (existsSync(layer)) return layer; // in the state, as user-folder.ts has it
  await rm(folder, { recursive: true, force: true });
  const half = path.join(folder, `${digest}.new`);
  await mkdir(half, { recursive: true, mode: 0o755 });
  for (const entry of entries) await writeEntry(half, entry);
  await chmod(half, 0o755);
  await chmod(path.join(half, 'tmp'), 0o1777);
  await syncFolder(half);
  await rename(half, layer);
  await syncFolder(folder);
  return layer;
}

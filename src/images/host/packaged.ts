// Knows which files of /etc came with packages: the conffiles of dpkg and what ucf(1) looks after. Those are as public as
// the packages are. Where there is no dpkg nothing is known.

import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { hasErrno } from '../../lib/errors.ts';

/** Below /etc. */
export type PackagedFiles = ReadonlySet<string>;

interface Read {
  readonly stamp: string;
  readonly files: Promise<PackagedFiles>;
}

const known = new Map<string, Read>();

/** Read again when something was installed or removed. */
export async function packagedFiles(hostRoot: string): Promise<PackagedFiles> {
  const info = path.join(hostRoot, 'var/lib/dpkg/info');
  const registry = path.join(hostRoot, 'var/lib/ucf/registry');
  const stamp = `${await changedAt(info)} ${await changedAt(registry)}`;
  const before = known.get(hostRoot);
  if (before?.stamp === stamp) return await before.files;
  const files = readAll(info, registry);
  known.set(hostRoot, { stamp, files });
  return await files;
}

async function readAll(info: string, registry: string): Promise<PackagedFiles> {
  const found = new Set<string>();
  const add = (file: string | undefined): void => {
    if (file?.startsWith('/etc/') === true) found.add(file.slice('/etc/'.length));
  };
  const lists = (await orNothing(readdir(info), [])).filter((name) => name.endsWith('.conffiles'));
  const texts = await Promise.all(
    lists.map((name) => orNothing(readFile(path.join(info, name), 'utf8'), '')),
  );
  // "/etc/inputrc", or "remove-on-upgrade /etc/inputrc"
  for (const text of texts) for (const line of text.split('\n')) add(line.split(' ').at(-1));
  // "readline-common	/etc/inputrc"
  const ucf = await orNothing(readFile(registry, 'utf8'), '');
  for (const line of ucf.split('\n')) add(line.split(/\s+/).at(-1));
  return found;
}

async function changedAt(place: string): Promise<number> {
  return (await orNothing(stat(place), undefined))?.mtimeMs ?? 0;
}

async function orNothing<T>(found: Promise<T>, nothing: T): Promise<T> {
  try {
    return await found;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return nothing;
    throw error;
  }
}

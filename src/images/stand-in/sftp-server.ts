// Finds the host's sftp-server with the libraries that it needs, as the host's own dynamic linker names them.

import { execFile } from 'node:child_process';
import { lstat, open, realpath } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { hasErrno } from '../../lib/errors.ts';
import { checkTrustedPath } from '../../lib/trusted-path.ts';

/** Where distributions have it, and what sshd's Subsystem names there. */
const places = [
  '/usr/lib/openssh/sftp-server',
  '/usr/libexec/openssh/sftp-server',
  '/usr/lib/ssh/sftp-server',
  '/usr/libexec/sftp-server',
] as const;

export interface SftpServer {
  /** Where the host has it, and where it is looked for inside. */
  readonly place: string;
  /** What has to be copied, by the names that the copies get. */
  readonly files: ReadonlyMap<string, string>;
}

/** A host without one that only root can change has no files, and the usual place. */
export async function findSftpServer(): Promise<SftpServer> {
  const none: SftpServer = { place: places[0], files: new Map() };
  for (const place of places) {
    if (!(await isTrusted(place))) continue;
    const linker = await interpreterOf(place);
    const files = new Map([['sftp-server', await realpath(place)]]);
    if (linker === undefined || !(await isTrusted(linker))) continue; // linked with nothing: never seen
    files.set('ld.so', await realpath(linker));
    for (const library of await librariesOf(linker, place)) {
      if (!(await isTrusted(library))) return none;
      files.set(path.basename(library), await realpath(library));
    }
    return { place, files };
  }
  return none;
}

/** Changes whenever one of the files does. */
export async function stampOf(files: ReadonlyMap<string, string>): Promise<string> {
  const stamps = await Promise.all(
    [...files].map(async ([name, file]) => {
      const { ino, size, mtimeMs } = await lstat(file);
      return `${name} ${file} ${ino} ${size} ${mtimeMs}`;
    }),
  );
  return stamps.join('\n');
}

const isTrusted = async (file: string): Promise<boolean> => (await checkTrustedPath(file)).ok;

/** PT_INTERP of an ELF file of 64 bits (elf(5)). */
async function interpreterOf(file: string): Promise<string | undefined> {
  await using handle = await open(file);
  const read = async (at: number, length: number): Promise<Buffer> =>
    (await handle.read(Buffer.alloc(length), 0, length, at)).buffer;
  const header = await read(0, 64);
  if (header.toString('latin1', 0, 5) !== '\x7fELF\x02') return undefined;
  const [start, size, count] = [
    Number(header.readBigUInt64LE(32)),
    header.readUInt16LE(54),
    header.readUInt16LE(56),
  ];
  const table = await read(start, Math.min(size * count, 64 * 1024));
  for (let at = 0; at + 56 <= table.length; at += Math.max(size, 56)) {
    if (table.readUInt32LE(at) !== 3) continue;
    const length = Math.min(Number(table.readBigUInt64LE(at + 32)), 4096);
    return (await read(Number(table.readBigUInt64LE(at + 8)), length)).toString('utf8').replace(/\0.*$/s, '');
  }
  return undefined;
}

/** The linker is root's, and so is what it looks at. */
async function librariesOf(linker: string, program: string): Promise<string[]> {
  try {
    const { stdout } = await promisify(execFile)(linker, ['--list', program], { env: {}, timeout: 10_000 });
    return [...stdout.matchAll(/ => (\/\S+) \(/g)].map(([, file = '']) => file);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES')) return [];
    throw error;
  }
}

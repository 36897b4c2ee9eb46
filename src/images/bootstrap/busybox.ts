// Makes the root filesystem of a minimal image: the host's static busybox, a link for each of its commands, and the
// few files that a system needs.

import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';

const candidates = ['/bin/busybox', '/usr/bin/busybox', '/bin/busybox.static'];

const folders: readonly (readonly [string, number])[] = [
  ['bin', 0o755],
  ['dev', 0o755],
  ['etc', 0o755],
  ['home', 0o755],
  ['proc', 0o555],
  ['root', 0o700],
  ['run', 0o755],
  ['sbin', 0o755],
  ['sys', 0o555],
  ['tmp', 0o1777],
  ['usr/bin', 0o755],
  ['usr/sbin', 0o755],
  ['var/log', 0o755],
  ['var/tmp', 0o1777],
];

const files: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/shells': '/bin/sh\n/bin/ash\n',
  'etc/profile':
    'export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n[ "$PS1" ] && PS1="\\\\u@\\\\h:\\\\w\\\\$ "\n',
  'etc/os-release': 'ID=busybox\nNAME=BusyBox\nPRETTY_NAME=BusyBox\n',
};

/** Makes `root`, which must not exist. Throws E_NOT_FOUND where this host has no static busybox. */
export async function makeBusyboxRoot(root: string): Promise<void> {
  const busybox = await findBusybox();
  await mkdir(root, { mode: 0o755 });
  for (const [name, mode] of folders) {
    await mkdir(path.join(root, name), { recursive: true });
    await chmod(path.join(root, name), mode);
  }
  await copyFile(busybox, path.join(root, 'bin/busybox'));
  await chmod(path.join(root, 'bin/busybox'), 0o755);
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(root, name), text, { mode: 0o644 });
  }
  for (const applet of await appletsOf(busybox)) {
    await linkTo(path.join(root, applet));
  }
}

async function linkTo(file: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  try {
    await symlink('/bin/busybox', file);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error; // busybox itself is among its commands
  }
}

/** "bin/sh", "usr/bin/env" …: where each command of it belongs. */
async function appletsOf(busybox: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)(busybox, ['--list-full'], { env: {} });
  return stdout.split('\n').filter((line) => /^[a-z0-9]+(?:\/[A-Za-z0-9_[-]+)+$|^linuxrc$/.test(line));
}

async function findBusybox(): Promise<string> {
  const dynamic: string[] = [];
  for (const file of candidates) {
    const content = await ifThere(readFile(file));
    if (content === undefined) continue;
    if (isStatic(content)) return file;
    dynamic.push(file);
  }
  throw new DockershError('E_NOT_FOUND', {
    what: 'a static busybox',
    why:
      dynamic.length === 0
        ? 'this host has no busybox'
        : `${dynamic[0]} needs libraries that the image would lack`,
    hint: 'Install it: apt-get install busybox-static',
  });
}

const interpreterSegment = 3; // PT_INTERP, elf(5)

/** A 64-bit ELF program that names no dynamic linker (elf(5): e_phoff, e_phentsize, e_phnum). */
export function isStatic(program: Buffer): boolean {
  if (program.length < 64 || program.readUInt32BE(0) !== 0x7f454c46 || program[4] !== 2) return false;
  const start = Number(program.readBigUInt64LE(32));
  const size = program.readUInt16LE(54);
  const count = program.readUInt16LE(56);
  const starts = Array.from({ length: count }, (_, index) => start + index * size);
  return starts.every((at) => at + 4 <= program.length && program.readUInt32LE(at) !== interpreterSegment);
}

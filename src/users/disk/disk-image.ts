// Mounts a user's disk image, a file with an ext4 in it. The daemon has it mounted nowhere: it holds a descriptor of
// a mount that is in no mount namespace, and finds what is in it below /proc/self/fd. A sandbox mounts the same
// device in its own. Nothing of it is left when both have let go.

import { execFile } from 'node:child_process';
import { close, existsSync, statSync } from 'node:fs';
import { type FileHandle, open, rm, rmdir, statfs } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { addon } from '../../isolation/addon.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { OwnedFd } from '../../lib/fd.ts';
import { type FdFolder, fdFolder } from '../../lib/fds/fd-folder.ts';
import { shellWord } from '../../lib/text/shell-word.ts';

export const blockBytes = 4096;
/** Kept back from the user, so that a start never lacks the block for a folder. */
const keptBlocks = 64;
const bytesPerInode = 16_384;
/** mke2fs rounds up by group. */
const groupBytes = 32_768 * blockBytes;
const inodesPerBlock = 16;
const helperMs = 1_800_000;
const helperPath = '/usr/sbin:/sbin:/usr/bin:/bin';

export interface DiskImageSize {
  readonly bytes: number;
  /** null: as many as usual. */
  readonly inodes: number | null;
}

export interface Space {
  /** What the user can have, used and free together. */
  readonly bytes: number;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly usedInodes: number;
}

export function diskImageBytes(file: string): number {
  return statSync(file).size;
}

const wholeBlocks = (bytes: number): number => Math.floor(bytes / blockBytes) * blockBytes;

/** Makes the file, which must not be there, with an empty file system. */
export async function makeDiskImage(file: string, { bytes, inodes }: DiskImageSize): Promise<void> {
  await using handle = await open(file, 'wx', 0o600);
  await handle.truncate(wholeBlocks(bytes));
  const kept = ((keptBlocks * blockBytes * 100) / bytes).toFixed(6);
  // The file reads as zeros already, so that nothing has to be written to tables and journal, now or later.
  const extended = 'lazy_itable_init=0,lazy_journal_init=1,root_owner=0:0';
  const count = inodes === null ? ['-i', String(bytesPerInode)] : ['-N', String(inodes)];
  const args = ['-q', '-F', '-t', 'ext4', '-b', String(blockBytes), '-I', '256', '-m', kept, ...count];
  const result = await helper('mke2fs', [...args, '-E', extended, file]);
  if (result.code === 0) return;
  const full = await isFull(handle, bytes / 2);
  await rm(file, { force: true });
  throw new DockershError(full ? 'E_DISK_FULL' : 'E_LIMIT_REFUSED', {
    what: `make the disk ${file}`,
    why: result.text,
  });
}

/** Whether there is no room for another MiB of the file, where it has none of it yet. */
async function isFull(file: FileHandle, at: number): Promise<boolean> {
  try {
    await file.write(Buffer.alloc(1 << 20, 1), 0, 1 << 20, wholeBlocks(at));
    await file.datasync();
    return false;
  } catch (error) {
    return hasErrno(error, 'ENOSPC', 'EDQUOT');
  }
}

export class MountedDiskImage implements AsyncDisposable {
  readonly device: string;
  readonly #file: string;
  readonly #mount: OwnedFd;
  readonly #folder: FdFolder;

  private constructor(file: string, device: string, mount: OwnedFd, folder: FdFolder) {
    this.#file = file;
    this.device = device;
    this.#mount = mount;
    this.#folder = folder;
  }

  /** Throws E_DISK_BROKEN if the file system is damaged in a way that is not repaired automatically. */
  static async mount(file: string): Promise<MountedDiskImage> {
    const { fd, free } = addon().diskLock(file);
    using lock = new OwnedFd(fd);
    if (free) await mend(file);
    try {
      const { device, mount } = await addon().diskMount(lock.borrow());
      return MountedDiskImage.#of(file, device, new OwnedFd(mount));
    } catch (error) {
      const broken = hasErrno(error, 'EUCLEAN', 'EINVAL', 'EIO', 'EBADMSG');
      throw new DockershError(broken ? 'E_DISK_BROKEN' : 'E_SANDBOX_START', {
        what: `mount the disk ${file}`,
        why: `${error instanceof Error ? error.message : String(error)}${broken ? mending(file) : ''}`,
        cause: error,
      });
    }
  }

  static #of(file: string, device: string, mount: OwnedFd): MountedDiskImage {
    return new MountedDiskImage(file, device, mount, fdFolder(mount));
  }

  get folder(): string {
    return this.#folder.path;
  }

  async space(): Promise<Space> {
    return await spaceOf(this.folder);
  }

  /** At once, also in a sandbox that runs. False: the kernel lets nobody do that here. Safe to do again. */
  async grow(bytes: number): Promise<boolean> {
    const wanted = wholeBlocks(bytes);
    const before = diskImageBytes(this.#file);
    await using handle = await open(this.#file, 'r+');
    if (wanted > before) await handle.truncate(wanted);
    try {
      await addon().diskGrow(this.device, this.#mount.borrow(), wanted);
      return true;
    } catch (error) {
      if (!hasErrno(error, 'EPERM', 'EOPNOTSUPP', 'ENOTTY')) throw error; // EPERM: a container's root
      await handle.truncate(before);
      return false;
    }
  }

  /** Not on the main thread: with the last one, the kernel writes out what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#folder[Symbol.dispose]();
    await this.#mount.handOver(promisify(close));
  }
}

export async function spaceOf(folder: string): Promise<Space> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(folder);
  const kept = bfree - bavail;
  return {
    bytes: (blocks - kept) * bsize,
    usedBytes: (blocks - bfree) * bsize,
    inodes: files,
    usedInodes: files - ffree,
  };
}

/** Whether an image of that many inodes is what mke2fs makes for the wanted number. */
export function fitsInodes(have: number, { bytes, inodes }: DiskImageSize): boolean {
  const groups = Math.ceil(bytes / groupBytes);
  if (inodes === null) return have >= (bytes / bytesPerInode) * 0.9;
  return have >= inodes * 0.95 && have <= inodes + groups * inodesPerBlock * 2;
}

/** What is not clean is mended as at a boot: the journal replayed, and what can be mended without asking. */
async function mend(file: string): Promise<void> {
  if (await isClean(file)) return;
  const { code, text } = await helper('e2fsck', ['-p', file]);
  if (code !== undefined && code < 4) return;
  throw new DockershError('E_DISK_BROKEN', {
    what: `check the disk ${file}`,
    why: `${text}${mending(file)}`,
  });
}

/** Logins write the reason alone into the log. */
const mending = (file: string): string =>
  `; to mend it, keep a copy of the file and run "e2fsck -f ${shellWord(file)}" while nobody uses it`;

/** From its superblock (1024 bytes from the start): unmounted cleanly, no error noted, nothing in the journal. */
async function isClean(file: string): Promise<boolean> {
  await using handle = await open(file, 'r');
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(1024), 0, 1024, 1024);
  const magic = buffer.readUInt16LE(0x38);
  const state = buffer.readUInt16LE(0x3a);
  const needsRecovery = (buffer.readUInt32LE(0x60) & 4) !== 0;
  return bytesRead === 1024 && magic === 0xef53 && (state & 3) === 1 && !needsRecovery;
}

/** Why no disk image can be made or mounted here; undefined: one can. */
export function diskImagesMissing(): string | undefined {
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices (/dev/loop-control)';
  const folders = helperPath.split(':');
  const missing = ['mke2fs', 'e2fsck'].find(
    (program) => !folders.some((folder) => existsSync(path.join(folder, program))),
  );
  return missing === undefined ? undefined : `${missing} is missing (package e2fsprogs)`;
}

interface Result {
  /** Undefined: it could not be run, or did not end by itself. */
  readonly code: number | undefined;
  readonly text: string;
}

function helper(program: string, args: readonly string[]): Promise<Result> {
  return new Promise((resolve) => {
    const options = { env: { PATH: helperPath, LC_ALL: 'C' }, cwd: '/', timeout: helperMs };
    execFile(program, args, options, (error, stdout, stderr) => {
      const text = `${stderr}${stdout}`.trim().slice(0, 500) || (error?.message ?? '');
      const code = error === null ? 0 : error.code;
      resolve({ code: typeof code === 'number' ? code : undefined, text });
    });
  });
}

/** Removes the folder that mke2fs makes and nobody needs: e2fsck makes it again if it needs it. */
export async function emptyDiskImage(folder: string): Promise<void> {
  await rmdir(path.join(folder, 'lost+found')).catch((error: unknown) => {
    if (!hasErrno(error, 'ENOENT')) throw error;
  });
}

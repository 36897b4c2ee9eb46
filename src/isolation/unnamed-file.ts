// Writes a file that has no name until it is whole (O_TMPFILE, open(2)): whoever writes it may be killed at any
// instant, and nothing is left over. Runs in the daemon, as root.

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hasErrno } from '../lib/errors.ts';
import { addon } from './addon.ts';

/** Node has no constant for it. The part of its own is the same on all processors that Node knows of. */
const unnamed = 0o20000000 | constants.O_DIRECTORY;

/** Undefined: the folder's file system has no such files. */
export async function openUnnamed(folder: string, mode: number): Promise<FileHandle | undefined> {
  try {
    return await open(folder, unnamed | constants.O_RDWR, mode);
  } catch (error) {
    if (hasErrno(error, 'EOPNOTSUPP')) return undefined;
    throw error;
  }
}

/** On the same file system. Throws EEXIST where the name is taken. */
export async function giveName(file: FileHandle, name: string): Promise<void> {
  await addon().giveName(file.fd, name);
}

// Has the file of a user's next recording ready: a login waits for it, and to make a file takes a file system more than a tenth of a
// millisecond, to rename one a third of that.

import { closeSync, constants, openSync, renameSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { hasErrno } from '../../lib/errors.ts';
import { type AbsolutePath, below } from '../../lib/values/absolute-path.ts';

const name = '.next';
/** By then the login that has taken one is through. */
const laterMs = 1000;
const { O_CREAT, O_EXCL, O_WRONLY } = constants;

/** An empty file at `path`, in a folder that is there. */
export function makeFile(folder: AbsolutePath, path: AbsolutePath): void {
  try {
    renameSync(below(folder, name), path);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    closeSync(openSync(path, O_CREAT | O_EXCL | O_WRONLY, 0o600));
  }
  setTimeout(() => void prepare(folder), laterMs).unref();
}

/** Without one the next login makes its own, and says what is wrong. */
async function prepare(folder: AbsolutePath): Promise<void> {
  try {
    await (await open(below(folder, name), O_CREAT | O_WRONLY, 0o600)).close();
  } catch {
    // the disk is full, or the last recording has been removed with its folder
  }
}

/** Where it is all that there is. */
export async function removeLastSpare(folder: AbsolutePath): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  if (names.length === 1 && names[0] === name) await rm(below(folder, name), { force: true });
}

// Replaces a file so that after a crash at any instant there is either the old content or the new one, whole.

import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

const temporaryName = /^\.(.+)\.[0-9a-f]{16}\.tmp$/;

/** True for names that a crash in writeFileAtomic may leave behind, of `target` or of any file, for clean-up. */
export function isAtomicTemporary(name: string, target?: string): boolean {
  const found = temporaryName.exec(name)?.[1];
  return found !== undefined && (target === undefined || found === target);
}

/** Writes through a temporary file in the same folder: write, fsync, rename, fsync of the folder. */
export async function writeFileAtomic(
  target: string,
  data: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const folder = path.dirname(target);
  const temporary = path.join(folder, `.${path.basename(target)}.${randomBytes(8).toString('hex')}.tmp`);
  try {
    {
      await using file = await open(temporary, 'wx', 0o600);
      await file.writeFile(data);
      // The umask does not apply to fchmod: the mode asked for is the mode that results.
      await file.chmod(mode);
      await file.sync();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Makes a rename in this folder last through a power cut (fsync(2), notes on directories). */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

// Replaces a file so that after a crash at any instant there is either the old content or the new one, whole.

import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

const temporaryName = /^\.(.+)\.[0-9a-f]{16}\.tmp$/;

/** True for names of temporaryFor(), which a crash may leave behind: of `target` or of any file, for clean-up. */
export function isAtomicTemporary(name: string, target?: string): boolean {
  const found = temporaryName.exec(name)?.[1];
  return found !== undefined && (target === undefined || found === target);
}

/** Another name in the same folder, which isAtomicTemporary knows. */
export function temporaryFor(target: string): string {
  const name = `.${path.basename(target)}.${randomBytes(8).toString('hex')}.tmp`;
  return path.join(path.dirname(target), name);
}

/** Writes through a temporary file in the same folder: write, fsync, rename, fsync of the folder. */
export async function writeFileAtomic(
  target: string,
  data: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const temporary = temporaryFor(target);
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
  await syncFolder(path.dirname(target));
}

/** Makes a rename in this folder last through a power cut (fsync(2), notes on directories). */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

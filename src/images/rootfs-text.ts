// Reads a small text file of an image. An image is a stranger's work: a symbolic link in it (etc/passwd ->
// /etc/shadow) must not lead to the host's files. So every component is opened from the folder before it and
// may not be a link; /proc/self/fd is how Node reaches openat(2).

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { DockershError, hasErrno } from '../lib/errors.ts';

const maxBytes = 1024 * 1024;
const folders = constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_RDONLY;

type Found =
  | { readonly kind: 'text'; readonly text: string }
  /** Nothing there: a lower layer may have it. */
  | { readonly kind: 'absent' }
  /** A whiteout, a link, a device, too large: no file to read, and it hides what lower layers have. */
  | { readonly kind: 'hidden' };

/** An unpacked layer. Throws E_IMAGE_BROKEN where it is gone. */
async function openTree(tree: string): Promise<FileHandle> {
  try {
    return await open(tree, folders);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new DockershError('E_IMAGE_BROKEN', {
      what: `layer ${tree}`,
      why: 'its tree is gone',
      cause: error,
    });
  }
}

/** The file as a sandbox would see it, topmost layer first; undefined where it is no plain file. */
export async function readRootfsText(
  trees: readonly string[],
  components: readonly [string, ...string[]],
): Promise<string | undefined> {
  for (const tree of trees) {
    const found = await readInTree(tree, components);
    if (found.kind === 'text') return found.text;
    if (found.kind === 'hidden') return undefined;
  }
  return undefined;
}

async function readInTree(tree: string, components: readonly string[]): Promise<Found> {
  let folder = await openTree(tree);
  try {
    for (const component of components.slice(0, -1)) {
      const next = await open(`/proc/self/fd/${folder.fd}/${component}`, folders);
      await folder.close();
      folder = next;
    }
    return await readFileIn(folder.fd, components.at(-1) ?? '');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return { kind: 'absent' };
    // A link (ELOOP, or ENOTDIR with O_DIRECTORY), a file in a folder's place, a whiteout (ENXIO, ENODEV).
    if (hasErrno(error, 'ELOOP', 'ENOTDIR', 'ENXIO', 'ENODEV', 'EACCES')) return { kind: 'hidden' };
    throw error;
  } finally {
    await folder.close();
  }
}

async function readFileIn(folder: number, name: string): Promise<Found> {
  await using file = await open(
    `/proc/self/fd/${folder}/${name}`,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  );
  const stats = await file.stat();
  if (!stats.isFile() || stats.size > maxBytes) return { kind: 'hidden' };
  return { kind: 'text', text: (await file.readFile()).toString('utf8') };
}

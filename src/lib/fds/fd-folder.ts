// Keeps which folders are reached by a descriptor of ours alone (a disk that is mounted nowhere), so that whoever starts
// a program can pass the descriptor of a path on, instead of reading its number out of the path.

import type { OwnedFd } from '../fd.ts';

const folders = new Map<string, OwnedFd>();

/** Until it is disposed, the folder has a path, which means something to this process alone. */
export interface FdFolder extends Disposable {
  readonly path: string;
}

/** The descriptor stays its owner's, who disposes of this first. */
export function fdFolder(fd: OwnedFd): FdFolder {
  const path = pathOfFd(fd.borrow());
  folders.set(path, fd);
  return { path, [Symbol.dispose]: () => void folders.delete(path) };
}

/** The folder of a descriptor, as the process sees it that has the descriptor by this number. */
export function pathOfFd(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** The descriptor that a path leads through, and the rest of the path behind it; undefined: through none. */
export function fdFolderOf(path: string): { readonly fd: OwnedFd; readonly rest: string } | undefined {
  for (const [folder, fd] of folders)
    if (path === folder || path.startsWith(`${folder}/`)) return { fd, rest: path.slice(folder.length) };
  return undefined;
}

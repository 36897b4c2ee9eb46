// Tells whether any of some files may have changed, for the price of one read(2). Asked, not told: a change that was
// made before the question is always in the answer, however events and logins are ordered.

import { realpathSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { OwnedFd } from '../lib/fd.ts';
import { addon } from './addon.ts';

/** File systems whose changes all go through this kernel (statfs(2)): ext, xfs, btrfs, tmpfs, overlay, zfs, f2fs. */
const localTypes = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1, 0xf2f52010]);

export class FileWatch implements Disposable {
  readonly #fd: OwnedFd;
  readonly #stop: () => void;

  private constructor(fd: OwnedFd, stop: () => void) {
    this.#fd = fd;
    this.#stop = stop;
  }

  /**
   * Undefined where a change could go unseen: something is missing, is reached by a symbolic link, or lies on a
   * file system that other machines write to. `told` is called in any turn of the event loop after a change.
   */
  static of(files: readonly string[], told: () => void): FileWatch | undefined {
    const fd = addon().watchOpen();
    if (fd < 0) return undefined;
    using owned = new OwnedFd(fd);
    try {
      if (withFolders(files).every((file) => canBeSeen(file) && addon().watchAdd(fd, file))) {
        const stop = addon().poll(owned.borrow(), told);
        return new FileWatch(owned.move(), stop);
      }
    } catch {
      // A file that has gone meanwhile: there is nothing that could be watched.
    }
    return undefined;
  }

  /** Whether anything may be different since this was last asked. Whoever is told has to ask. */
  changed(): boolean {
    return addon().watchDrain(this.#fd.borrow());
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#fd[Symbol.dispose]();
  }
}

/** Each folder up to the root as well: one that is moved away takes everything below with it. */
function withFolders(files: readonly string[]): string[] {
  const all = new Set<string>();
  for (const file of files) {
    for (let at = file; !all.has(at); at = path.dirname(at)) {
      if (at === '/') break;
      all.add(at);
    }
  }
  return [...all];
}

function canBeSeen(file: string): boolean {
  return realpathSync(file) === file && localTypes.has(statfsSync(file).type);
}

// An image as a sandbox sees it: its layers under overlayfs, with the options of native/supervisor/rootfs/rootfs.c.

import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import type { ImageStore } from '../../../src/images/store/image-store.ts';
import { program } from '../../fixtures/machine.ts';
import type { Scratch } from './scratch.ts';

let count = 0;

export interface Mounted extends AsyncDisposable {
  readonly root: string;
}

/** `on`: what lies above the image, such as a user's layer; read-only without. */
export async function mountImage(
  scratch: Scratch,
  store: ImageStore,
  name: string,
  on?: { readonly upper: string; readonly work: string },
): Promise<Mounted> {
  count += 1;
  const root = scratch.path(`mount-${count}`);
  const empty = scratch.path('empty');
  await mkdir(root);
  await mkdir(empty, { recursive: true });
  const lowers = ((await store.resolve(name))?.layers ?? []).map(({ path }) => path);
  const writable = on === undefined ? 'ro' : `upperdir=${on.upper},workdir=${on.work}`;
  const options = `lowerdir=${[...lowers, empty].join(':')},${writable},index=off,metacopy=off,redirect_dir=off`;
  execFileSync(program('mount'), ['-t', 'overlay', 'overlay', '-o', options, root]);
  return {
    root,
    [Symbol.asyncDispose]: async () => {
      execFileSync(program('umount'), [root]);
    },
  };
}

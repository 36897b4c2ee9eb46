// The image store: root filesystems by name, their layers unpacked once and shared by every sandbox.
//
// Promises: an operation that returned has reached the disk; one that failed, or was killed at any instant,
// has changed nothing that anybody sees (what it left in tmp/ goes at the next opening). Operations may run
// at once. Two processes cannot have one store open. Trees of layers are never written to once they are
// visible.
//
// Run by dockershd as root; only resolve() is on the path of a login.

import { chmod, mkdir } from 'node:fs/promises';
import { openHostImage } from '../host/host.ts';
import type { LayerProgram } from '../layers/program.ts';
import { removeOrWarn } from '../upkeep/sweep.ts';
import { layoutAt, leftovers, makeLayout } from './layout.ts';
import { lockStore } from './lock.ts';
import { Store } from './store.ts';
import type { ImageStore, ImageStoreOptions } from './types.ts';

export type { ResolvedImage } from './resolve.ts';
export type * from './types.ts';

/** Opens the store at `root` (absolute), making it where it is missing. Throws E_BUSY where it is open. */
export async function openImageStore(root: string, options: ImageStoreOptions): Promise<ImageStore> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  // Set-id programs of images lie below: nobody but root may get there, whatever the mode was before.
  await chmod(root, 0o700);
  const layout = layoutAt(root, options.defaultRegistry);
  await using undo = new AsyncDisposableStack();
  const lock = await lockStore(layout.lock);
  undo.defer(() => lock.release());
  await makeLayout(layout);
  const program: LayerProgram = { path: options.layerProgram, limits: options.limits ?? {} };
  for (const folder of await leftovers(layout)) await removeOrWarn(program, folder, options);
  const host = undo.use(await openHostImage(layout, program, options));
  return new Store({ layout, program, host, options, owned: undo.move() });
}

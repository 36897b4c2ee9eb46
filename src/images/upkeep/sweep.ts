// Removes what nobody needs any more, in the background of other work.

import { type LayerProgram, removeFolder } from '../layers/program.ts';
import type { ImageStoreOptions } from '../store/types.ts';

/** Nothing depends on garbage being gone: what cannot be removed now is tried again at the next opening. */
export async function removeOrWarn(
  program: LayerProgram,
  folder: string,
  { log }: Pick<ImageStoreOptions, 'log'>,
): Promise<void> {
  try {
    await removeFolder(program, folder);
  } catch (error) {
    log?.warn({ err: error, folder }, 'garbage of the image store is left over');
  }
}

// Derives what the layers of an image say only together: attributes of folders that an upper layer merely implies,
// and the accounts (native/layer/jobs/chain.h). Done once for each stack of layers, by its chainID (OCI image
// specification, config.md), when a name is given to the first image that has it. Like a layer it is made in tmp/,
// written to the disk, and renamed into place.

import { access, mkdtemp, readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { syncFolder, writeFileAtomic } from '../../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';
import { type Digest, digestFromHex, digestOf } from '../digest.ts';
import type { Layout } from '../store/layout.ts';
import { layerReport } from './job.ts';
import { type LayerProgram, removeFolder } from './program.ts';

/** chain.json */
const chainInfo = z.strictObject({
  /** In its tree, which is one more layer, to be put on top; 0: it need not be. */
  folders: z.int().nonnegative(),
  /** How many of the layers, from the top, can be seen at all. */
  layers: z.int().positive(),
});

interface ChainTexts {
  /** Text of /etc/passwd and /etc/group; undefined where they are no plain files. */
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

export interface Chain extends ChainTexts {
  /** Trees to mount, topmost first. */
  readonly trees: readonly string[];
}

/** `diffIds`: lowest first. */
export function chainIdOf(diffIds: readonly Digest[]): Digest {
  const [lowest = digestOf(''), ...rest] = diffIds;
  return rest.reduce((chainId, diffId) => digestOf(`${chainId} ${diffId}`), lowest);
}

/**
 * Topmost first. A layer that an image has twice counts where it is uppermost: there it covers everything that
 * it has further down, and overlayfs refuses to mount one folder twice.
 */
function treesOf(layout: Layout, diffIds: readonly Digest[]): string[] {
  return [...new Set(diffIds.map((diffId) => layout.tree(diffId)).reverse())];
}

/** Makes it where it is missing. Throws E_IMAGE_BROKEN where a layer is gone. */
export async function openChain(
  layout: Layout,
  program: LayerProgram,
  diffIds: readonly Digest[],
): Promise<Chain> {
  // An image without layers is one that a user has all to themselves.
  if (diffIds.length === 0) return { trees: [], passwd: undefined, group: undefined };
  const folder = layout.chain(chainIdOf(diffIds));
  await requireTrees(layout, diffIds);
  const known = await readInfo(folder);
  const { folders, layers } = known ?? (await makeChain(layout, program, diffIds));
  const trees = treesOf(layout, diffIds).slice(0, layers);
  return {
    trees: folders === 0 ? trees : [path.join(folder, 'tree'), ...trees],
    ...(await readChainTexts(folder)),
  };
}

export async function readChainTexts(folder: string): Promise<ChainTexts> {
  return {
    passwd: await ifThere(readFile(path.join(folder, 'passwd'), 'utf8')),
    group: await ifThere(readFile(path.join(folder, 'group'), 'utf8')),
  };
}

async function makeChain(
  layout: Layout,
  program: LayerProgram,
  diffIds: readonly Digest[],
): Promise<z.infer<typeof chainInfo>> {
  await using half = await freshChain(layout, program, diffIds);
  try {
    await rename(half.folder, layout.chain(half.chainId));
  } catch (error) {
    // Somebody else was faster: the same layers, so the same chain.
    if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
  await syncFolder(layout.chains);
  return half.info;
}

interface FreshChain extends AsyncDisposable {
  readonly chainId: Digest;
  /** In tmp/, until somebody renames it. */
  readonly folder: string;
  readonly info: z.infer<typeof chainInfo>;
}

/** Disposing removes it where it still is. */
export async function freshChain(
  layout: Layout,
  program: LayerProgram,
  diffIds: readonly Digest[],
): Promise<FreshChain> {
  const aside = await mkdtemp(path.join(layout.tmp, 'chain-'));
  const dispose = (): Promise<void> => removeFolder(program, aside);
  await using undo = new AsyncDisposableStack();
  undo.defer(dispose);
  const chainId = chainIdOf(diffIds);
  const folder = path.join(aside, 'chain');
  const args = ['chain', folder, ...treesOf(layout, diffIds)];
  const info = await layerReport(program, args, chainInfo, { what: `layers of ${chainId}` });
  await writeFileAtomic(path.join(folder, 'chain.json'), `${JSON.stringify(info)}\n`);
  await syncFolder(folder);
  undo.move();
  return { chainId, folder, info, [Symbol.asyncDispose]: dispose };
}

/** Throws E_IMAGE_BROKEN. */
async function requireTrees(layout: Layout, diffIds: readonly Digest[]): Promise<void> {
  for (const diffId of new Set(diffIds)) {
    try {
      await access(layout.tree(diffId));
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
      throw new DockershError('E_IMAGE_BROKEN', {
        what: `layer ${diffId}`,
        why: 'its tree is gone',
        hint: 'Get the image again.',
        cause: error,
      });
    }
  }
}

async function readInfo(folder: string): Promise<z.infer<typeof chainInfo> | undefined> {
  const text = await ifThere(readFile(path.join(folder, 'chain.json'), 'utf8'));
  if (text === undefined) return undefined;
  try {
    return chainInfo.parse(JSON.parse(text));
  } catch (error) {
    throw new DockershError('E_IMAGE_BROKEN', {
      what: folder,
      why: 'its chain.json is damaged',
      cause: error,
    });
  }
}

export async function listChains(layout: Layout): Promise<Digest[]> {
  return (await readdir(layout.chains)).map(digestFromHex);
}

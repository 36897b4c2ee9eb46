// Puts one layer of a user's in the place of another, so that a crash at any instant leaves the one or the other.

import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { runLayerJob } from '../../images/layers/job.ts';
import { type LayerProgram, removeFolder } from '../../images/layers/program.ts';
import { isAtomicTemporary, syncFolder, writeFileAtomic } from '../../lib/atomic-file.ts';
import { layerFolder, snapshotsFolder } from '../places.ts';
import { layerUsage, namesIn, readLayerBase, requireName, type Snapshot } from './files.ts';

/** What becomes of the layer that is replaced: a snapshot of this name. */
export interface Saving {
  readonly name: string;
  readonly message?: string | undefined;
}

/** Removes or finishes what a crash left half made. Call for every user before their first sandbox starts. */
export async function cleanUserFolder(program: LayerProgram, folder: string): Promise<void> {
  await settleSaving(program, folder);
  for (const place of [folder, snapshotsFolder(folder), layerFolder(folder)]) {
    for (const name of await namesIn(place)) {
      const half = (name.startsWith(asidePrefix) && !inTheMaking.has(name)) || isAtomicTemporary(name);
      if (half) await removeFolder(program, path.join(place, name));
    }
  }
}

const asidePrefix = '.aside-';
/** No crash left them: a snapshot is made while its user's sandbox may start. */
const inTheMaking = new Set<string>();
const savingPrefix = '.saving-';

/**
 * Puts the layer that lies in `half` in the place of the old one. To be saved, that one is described while it is
 * still in use, and the new one gets a name that says what the two are exchanged for: whichever of them bears it
 * after a crash, the description tells which one it is.
 */
export async function replaceLayer(
  program: LayerProgram,
  folder: string,
  half: string,
  save: Saving | undefined,
): Promise<Snapshot | undefined> {
  if (save === undefined) {
    await exchange(program, half, folder);
    return undefined;
  }
  requireName(save.name);
  const { bytes, entries } = await layerUsage(program, folder);
  const about = save.message === undefined ? {} : { message: save.message };
  const info = { createdAt: new Date().toISOString(), ...about, sizeBytes: bytes, files: entries };
  const base = await readLayerBase(folder);
  const saving = path.join(folder, `${savingPrefix}${save.name}`);
  try {
    await rename(half, saving);
    await writeFileAtomic(path.join(layerFolder(folder), 'snapshot.json'), `${JSON.stringify(info)}\n`);
    await exchange(program, saving, folder);
  } finally {
    await settleSaving(program, folder);
  }
  return { name: save.name, ...info, base };
}

/** What was to be saved becomes a snapshot where it has been replaced, and else stays what it is. */
async function settleSaving(program: LayerProgram, folder: string): Promise<void> {
  await rm(path.join(layerFolder(folder), 'snapshot.json'), { force: true });
  for (const entry of await namesIn(folder)) {
    if (!entry.startsWith(savingPrefix)) continue;
    const saving = path.join(folder, entry);
    if (!(await namesIn(saving)).includes('snapshot.json')) {
      await removeFolder(program, saving); // the new layer, which nobody has used
      continue;
    }
    await removeFolder(program, path.join(saving, 'work'));
    const snapshots = await snapshotsOf(folder);
    await rename(saving, path.join(snapshots, entry.slice(savingPrefix.length)));
    await syncFolder(snapshots);
    await syncFolder(folder);
  }
}

/** Made where it is missing, so that it lasts. */
export async function snapshotsOf(folder: string): Promise<string> {
  const snapshots = snapshotsFolder(folder);
  const made = await mkdir(snapshots, { recursive: true, mode: 0o700 });
  if (made !== undefined) await syncFolder(folder);
  return snapshots;
}

interface Aside extends AsyncDisposable {
  readonly path: string;
}

/** A folder that goes when disposed, unless it has been renamed; after an exchange what was there goes. */
export async function aside(program: LayerProgram, parent: string): Promise<Aside> {
  const name = `${asidePrefix}${randomBytes(6).toString('hex')}`;
  const folder = path.join(parent, name);
  inTheMaking.add(name);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => void inTheMaking.delete(name));
  await mkdir(folder, { mode: 0o700 });
  undo.defer(() => removeFolder(program, folder));
  const made = undo.move();
  return { path: folder, [Symbol.asyncDispose]: async () => await made.disposeAsync() };
}

async function exchange(program: LayerProgram, half: string, folder: string): Promise<void> {
  await runLayerJob(program, ['swap', half, layerFolder(folder)], { what: 'exchange the layer' });
  await syncFolder(folder);
}

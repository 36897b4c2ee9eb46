// Verifies that everything in the store is what its name says. Safe beside anything else: what has gone by the time
// that a problem with it is found was garbage.

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DockershError } from '../../lib/errors.ts';
import { blobSize } from '../blobs/blobs.ts';
import { DigestTap } from '../blobs/tap.ts';
import { type Digest, digestFromHex } from '../digest.ts';
import { type ImportOptions, reportEvery } from '../import/options.ts';
import { packedArchive } from '../layers/archive.ts';
import { chainIdOf, freshChain, listChains, readChainTexts } from '../layers/chain.ts';
import { findLayerInfo, type LayerInfo, listLayers, unpackLayer } from '../layers/layers.ts';
import { openBlobFile, openLayerTar } from '../layers/tar.ts';
import type { StoreContext } from '../store/context.ts';
import { manifestOf } from '../store/find-manifest.ts';
import { readIndex, refNameOf } from '../store/index-file.ts';
import { readStoredImage } from '../store/stored-image.ts';
import { imageProblems } from '../store/whole.ts';
import { mark } from './collect.ts';

export interface VerifyOptions extends ImportOptions {
  /** Also every file of every layer: reads everything, and unpacks layers once more to compare. */
  readonly layers?: boolean | undefined;
}

export interface VerifyProblem {
  readonly kind: 'image' | 'blob' | 'layer' | 'base';
  /** Name or digest. */
  readonly object: string;
  readonly why: string;
}

export interface VerifyReport {
  readonly images: number;
  readonly blobs: number;
  readonly layers: number;
  /** Read from blobs and archives. */
  readonly bytes: number;
  readonly problems: readonly VerifyProblem[];
}

/** `bases`: images that users' layers are made on. Damage is in the report; throws for what cannot be read. */
export async function verifyStore(
  context: StoreContext,
  bases: ReadonlySet<string>,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const run = new Verification(context, options);
  using _reports = reportEvery(options, () => ({ step: 'verifying', bytes: run.bytes }));
  await run.images(bases);
  await run.blobs();
  await run.layers(options.layers ?? false, (await mark(context.layout, bases)).layers);
  if (options.layers === true) await run.chains();
  return run.report();
}

class Verification {
  readonly #context: StoreContext;
  readonly #signal: AbortSignal | undefined;
  readonly #problems: VerifyProblem[] = [];
  readonly #counts = { images: 0, blobs: 0, layers: 0 };
  bytes = 0;

  constructor(context: StoreContext, { signal }: VerifyOptions) {
    this.#context = context;
    this.#signal = signal;
  }

  report(): VerifyReport {
    return { ...this.#counts, bytes: this.bytes, problems: this.#problems };
  }

  async images(bases: ReadonlySet<string>): Promise<void> {
    const { layout } = this.#context;
    const index = await readIndex(layout);
    for (const manifest of index.manifests) {
      const object = refNameOf(manifest) ?? manifest.digest;
      this.#counts.images += 1;
      for (const why of await imageProblems(layout, manifest)) this.#add('image', object, why);
    }
    for (const base of bases) {
      if (!/^sha256:[0-9a-f]{64}$/.test(base)) continue; // the virtual image
      const digest = digestFromHex(base.slice(7));
      const manifest = await manifestOf(layout, index, { kind: 'digest', digest });
      const problems = manifest === undefined ? ['it is missing'] : await imageProblems(layout, manifest);
      for (const why of problems) this.#add('base', base, why);
    }
  }

  async blobs(): Promise<void> {
    const { layout } = this.#context;
    for (const name of await readdir(layout.blobs)) {
      this.#signal?.throwIfAborted();
      if (!/^[0-9a-f]{64}$/.test(name)) {
        if (!name.endsWith('.tmp')) this.#add('blob', name, 'it is no blob');
        continue;
      }
      const digest = digestFromHex(name);
      await this.#check('blob', digest, () => this.#readBlob(digest));
    }
  }

  async layers(deep: boolean, needed: ReadonlySet<Digest>): Promise<void> {
    const { layout } = this.#context;
    for (const diffId of await listLayers(layout)) {
      this.#signal?.throwIfAborted();
      await this.#check('layer', diffId, async () => {
        const info = await findLayerInfo(layout, diffId);
        if (info === undefined) return; // it has just gone
        if (info.diffId !== diffId) throw broken(diffId, `its description is that of ${info.diffId}`);
        this.#counts.layers += 1;
        await readdir(layout.tree(diffId));
        // A tree whose blob has not arrived yet, or has gone before it, of a pull that is under way, was given up or was
        // killed: no image has it.
        const alone = !info.packed && !needed.has(diffId) && (await this.#isWithoutBlob(info));
        if (deep && !alone) await this.#compare(info);
      });
    }
  }

  async #isWithoutBlob({ blobs }: LayerInfo): Promise<boolean> {
    for (const { digest } of blobs)
      if ((await blobSize(this.#context.layout, digest)) !== undefined) return false;
    return true;
  }

  /** After layers(): what is derived of a damaged layer says nothing more. */
  async chains(): Promise<void> {
    const { layout } = this.#context;
    if (this.#problems.length > 0) return;
    for (const { digest } of (await readIndex(layout)).manifests) {
      this.#signal?.throwIfAborted();
      await this.#check('image', digest, () => this.#compareChain(digest));
    }
  }

  async #compareChain(digest: Digest): Promise<void> {
    const { layout, program } = this.#context;
    const diffIds = (await readStoredImage(layout, digest)).layers.map(({ diffId }) => diffId);
    const known = layout.chain(chainIdOf(diffIds));
    if (!(await listChains(layout)).includes(chainIdOf(diffIds))) return; // made when it is needed
    await using fresh = await freshChain(layout, program, diffIds);
    const same = isDeepStrictEqual(await readChainTexts(known), await readChainTexts(fresh.folder));
    const trees = [known, fresh.folder].map((folder) => this.#packed(path.join(folder, 'tree')));
    const [is, should] = await Promise.all(trees);
    if (same && is === should) return;
    throw new DockershError('E_IMAGE_BROKEN', {
      what: `image ${digest}`,
      why: `what its layers say together is not what ${known} holds`,
    });
  }

  async #readBlob(digest: Digest): Promise<void> {
    const stream = await openBlobFile(this.#context.layout, digest);
    if (stream === undefined) return; // it has just gone
    this.#counts.blobs += 1;
    await this.#drain(stream);
  }

  /** A layer that was packed here is packed again; of any other a fresh copy is compared with the tree. */
  async #compare(info: LayerInfo): Promise<void> {
    const { layout, program } = this.#context;
    const tar = await openLayerTar(layout, program, info, this.#signal);
    if (info.packed) {
      await this.#drain(tar);
      return;
    }
    const label = `layer ${info.diffId}`;
    const source = { stages: [tar] as const, readBytes: () => 0, complete: Promise.resolve() };
    const options = { signal: this.#signal, label, diffId: info.diffId };
    await using fresh = await unpackLayer(layout, program, source, options);
    const is = await this.#packed(layout.tree(info.diffId));
    const should = await this.#packed(fresh.tree);
    if (is !== should) throw broken(info.diffId, 'files of its tree are not what its archive says');
  }

  async #packed(tree: string): Promise<Digest> {
    const tap = new DigestTap();
    const source = packedArchive(this.#context.program, tree, {
      overlay: true,
      skipZeros: true,
      signal: this.#signal,
    });
    await this.#drain(source.stages[0].pipe(tap));
    await source.complete;
    if (tap.digest === undefined) throw new DockershError('E_INTERNAL', { what: `pack ${tree}` });
    return tap.digest;
  }

  async #drain(stream: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of stream) {
      this.bytes += chunk.length;
      this.#signal?.throwIfAborted();
    }
  }

  async #check(kind: VerifyProblem['kind'], object: Digest, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (await this.#hasGone(kind, object)) return;
      this.#add(kind, object, error instanceof DockershError ? error.message : String(error));
    }
  }

  async #hasGone(kind: VerifyProblem['kind'], digest: Digest): Promise<boolean> {
    const { layout } = this.#context;
    if (kind === 'image') return !(await readIndex(layout)).manifests.some((one) => one.digest === digest);
    if (kind === 'blob') return (await blobSize(layout, digest)) === undefined;
    return !(await listLayers(layout)).includes(digest);
  }

  #add(kind: VerifyProblem['kind'], object: string, why: string): void {
    this.#problems.push({ kind, object, why });
  }
}

function broken(diffId: Digest, why: string): DockershError {
  return new DockershError('E_IMAGE_BROKEN', { what: `layer ${diffId}`, why });
}

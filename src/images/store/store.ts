// Puts together the image store on a disk. See image-store.ts for what it promises.

import { Serial } from '../../lib/async/serial.ts';
import { DockershError } from '../../lib/errors.ts';
import { hostImageName } from '../../lib/text/image-name.ts';
import type { Transaction } from '../content.ts';
import { type ExportedImage, type ExportOptions, exportImage } from '../export/export-image.ts';
import type { HostImage } from '../host/host.ts';
import { importImage, importRootfs } from '../import/import-image.ts';
import type { ImportOptions, ImportResult } from '../import/options.ts';
import { type CommitOptions, type CommitResult, commitLayer, type UpperSource } from '../layers/commit.ts';
import { diffLayer, type LayerChange } from '../layers/diff.ts';
import type { IdMapping, LayerProgram } from '../layers/program.ts';
import { parseReference, writableKey } from '../reference.ts';
import type { TrustRules } from '../trust/rules.ts';
import { Trust } from '../trust/trust.ts';
import { collectGarbage, type Garbage } from '../upkeep/collect.ts';
import {
  findImage,
  type HistoryEntry,
  type InspectedImage,
  imageHistory,
  inspectImage,
} from '../upkeep/inspect.ts';
import { listImages } from '../upkeep/list-images.ts';
import { removeOrWarn } from '../upkeep/sweep.ts';
import { type StoreUsage, UsageMeter } from '../upkeep/usage.ts';
import { type VerifyOptions, type VerifyReport, verifyStore } from '../upkeep/verify.ts';
import type { StoreContext } from './context.ts';
import { namesMeant, nameToRemove } from './find-manifest.ts';
import { Flights } from './flights.ts';
import { readIndex, withoutName, withoutTag, writeIndex } from './index-file.ts';
import type { Layout } from './layout.ts';
import { Pins } from './pins.ts';
import { type ResolvedImage, Resolver } from './resolve.ts';
import { StoreTransaction } from './transaction.ts';
import type { GarbageReport, ImageStore, ImageStoreOptions, ImageSummary } from './types.ts';

export interface StoreParts {
  readonly layout: Layout;
  readonly program: LayerProgram;
  readonly host: HostImage;
  readonly options: ImageStoreOptions;
  readonly owned: AsyncDisposableStack;
}

export class Store implements ImageStore {
  readonly #parts: StoreParts;
  readonly #resolver: Resolver;
  /** Everything that changes the index or takes things out of the store goes one at a time. */
  readonly #turns = new Serial();
  readonly #context: StoreContext;
  readonly #meter: UsageMeter;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#resolver = new Resolver(parts.layout, parts.program);
    this.#context = {
      layout: parts.layout,
      program: parts.program,
      pins: new Pins(),
      flights: new Flights(),
      notes: new Serial(),
      admit: parts.options.admit ?? (() => undefined),
      trust: new Trust(parts.layout, parts.options.trust),
      turn: (work) => this.#turns.take(work),
      change: async (work) => (await this.#change(work)).result,
    };
    this.#meter = new UsageMeter(this.#context);
  }

  get wantsSignatures(): boolean {
    return this.#context.trust.isOn;
  }

  async begin(): Promise<Transaction> {
    return new StoreTransaction(this.#context);
  }

  async resolve(name: string): Promise<ResolvedImage | undefined> {
    const reference = parseReference(name);
    if (reference === undefined) return undefined;
    if (reference.kind === 'host') return this.#parts.host.resolve();
    return this.#resolver.resolve(name, reference);
  }

  async requireTrusted(name: string, digest: string, rules?: TrustRules): Promise<void> {
    await this.#context.trust.require(name, digest, rules);
  }

  async importRootfs(name: string, path: string, options: ImportOptions = {}): Promise<ImportResult> {
    return importRootfs(this.#context, writableKey(name), path, options);
  }

  async importImage(
    name: string | undefined,
    path: string,
    options: ImportOptions = {},
  ): Promise<ImportResult[]> {
    return importImage(this.#context, name === undefined ? undefined : writableKey(name), path, options);
  }

  async hasMoved(name: string, digest: string): Promise<boolean> {
    const now = await this.resolve(name);
    if (now === undefined || now.digest === digest) return false;
    const before = await this.resolve(`image@${digest}`);
    return now.configDigest === undefined || now.configDigest !== before?.configDigest;
  }

  async exportImage(name: string, options: ExportOptions): Promise<ExportedImage> {
    return exportImage(this.#context, name, options);
  }

  async commit(
    upper: UpperSource,
    ids: IdMapping | undefined,
    base: string,
    options: CommitOptions,
  ): Promise<CommitResult> {
    return commitLayer(this.#context, upper, ids, base, options);
  }

  diff(
    upper: string,
    lowers: readonly string[],
    ids: IdMapping | undefined,
    options: Pick<ImportOptions, 'signal'> = {},
  ): AsyncIterable<LayerChange> {
    return diffLayer(this.#parts.program, upper, lowers, ids, options);
  }

  get layerProgram(): LayerProgram {
    return this.#parts.program;
  }

  async tag(source: string, target: string): Promise<{ readonly name: string; readonly digest: string }> {
    const key = writableKey(target);
    await using transaction = new StoreTransaction(this.#context);
    const found = await transaction.find(source);
    const manifest = withoutName(found ?? (await findImage(this.#context, source)));
    await transaction.tag(key, manifest);
    return { name: key, digest: manifest.digest };
  }

  async inspect(name: string): Promise<InspectedImage> {
    return inspectImage(this.#context, name);
  }

  async history(name: string): Promise<HistoryEntry[]> {
    return imageHistory(this.#context, name);
  }

  async usage(signal?: AbortSignal): Promise<StoreUsage> {
    return this.#meter.measure(signal);
  }

  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const bases = (await this.#parts.options.bases?.()) ?? new Set<string>();
    return verifyStore(this.#context, bases, options);
  }

  async list(): Promise<ImageSummary[]> {
    const { layout, host } = this.#parts;
    const images = await listImages(layout);
    const { digest, layers } = await host.resolve();
    const virtual = { sizeBytes: null, createdAt: null, virtual: true };
    return [{ name: hostImageName, digest, layers: layers.length, ...virtual }, ...images];
  }

  async nameOf(name: string): Promise<string | undefined> {
    const { layout } = this.#parts;
    const reference = parseReference(name);
    if (reference === undefined) return undefined;
    const [only, ...more] = await namesMeant(layout, await readIndex(layout), reference);
    return more.length === 0 ? only : undefined;
  }

  async remove(name: string): Promise<{ readonly name: string; readonly removed: true }> {
    const { layout } = this.#parts;
    const reference = parseReference(name);
    if (reference === undefined || reference.kind === 'host') writableKey(name);
    const { result } = await this.#change(async () => {
      const index = await readIndex(layout);
      const key = reference && (await nameToRemove(layout, index, name, reference));
      if (key === undefined) {
        throw new DockershError('E_NOT_FOUND', {
          what: `image '${name}'`,
          why: 'there is none of this name',
          hint: 'See "dockershctl image ls".',
        });
      }
      const write = () => writeIndex(layout, withoutTag(index, key));
      await (this.#parts.options.reserve?.whenFull(write) ?? write());
      return key;
    });
    return { name: result, removed: true };
  }

  async collectGarbage(signal?: AbortSignal): Promise<GarbageReport> {
    const change = async () => signal?.throwIfAborted();
    const { blobs, layers, bytes, damaged } = (await this.#change(change, signal)).garbage;
    signal?.throwIfAborted();
    return { blobs, layers, bytes, damaged };
  }

  /** Changes the index with the turn held, then removes what has become garbage by it. */
  async #change<T>(
    change: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<{ readonly result: T; readonly garbage: Garbage }> {
    const done = await this.#turns.take(async () => ({
      result: await change(),
      garbage: await this.#takeGarbage(signal),
    }));
    for (const folder of done.garbage.folders) {
      await removeOrWarn(this.#parts.program, folder, this.#parts.options);
    }
    return done;
  }

  async #takeGarbage(signal: AbortSignal | undefined): Promise<Garbage> {
    const { layout, host, options } = this.#parts;
    const inUse = options.inUse ?? (() => new Set<string>());
    const nothing: Garbage = { folders: [], blobs: 0, layers: 0, bytes: 0, damaged: [] };
    const garbage = await this.#orWarn(async () => {
      const bases = (await options.bases?.()) ?? new Set();
      return collectGarbage(layout, { bases, inUse, pins: this.#context.pins }, signal);
    }, nothing);
    if (garbage.damaged.length > 0)
      options.log?.warn(
        { images: garbage.damaged },
        'nothing of the image store is removed while images are damaged',
      );
    if (garbage.blobs > 0 || garbage.layers > 0) this.#resolver.forget();
    const generations = await this.#orWarn(() => host.takeUnused(inUse()), []);
    return { ...garbage, folders: [...garbage.folders, ...generations] };
  }

  /** For what follows a change that is done already: a failure is logged, and the next opening cleans up. */
  async #orWarn<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#parts.options.log?.warn({ err: error }, 'garbage of the image store is left over');
      return otherwise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turns.take(async () => undefined);
    await this.#parts.owned.disposeAsync();
  }
}

// The image store: root filesystems by name, their layers unpacked once and shared by every sandbox.
//
// Promises: an operation that returned has reached the disk; one that failed, or was killed at any instant,
// has changed nothing that anybody sees (what it left in tmp/ goes at the next opening). Operations may run
// at once. Two processes cannot have one store open. Trees of layers are never written to once they are
// visible.
//
// Run by dockershd as root; only resolve() is on the path of a login.

import { chmod, mkdir } from 'node:fs/promises';
import { DockershError } from '../lib/errors.ts';
import { hostImageName } from '../lib/image-name.ts';
import type { Logger } from '../lib/log.ts';
import { collectGarbage, type Garbage } from './collect.ts';
import type { ContentStore, Transaction } from './content.ts';
import type { StoreContext } from './context.ts';
import { Flights } from './flights.ts';
import { type HostImage, openHostImage } from './host.ts';
import { importImage, importRootfs } from './import-image.ts';
import type { ImportOptions, ImportResult } from './import-options.ts';
import { readIndex, refNameOf, withoutTag, writeIndex } from './index-file.ts';
import { type ArchiveLimits, type LayerProgram, removeFolder } from './layer-program.ts';
import { type Layout, layoutAt, leftovers, makeLayout } from './layout.ts';
import type { Descriptor } from './oci.ts';
import { Pins } from './pins.ts';
import { parseReference, writableKey } from './reference.ts';
import { type ResolvedImage, Resolver } from './resolve.ts';
import { lockStore } from './store-lock.ts';
import { readStoredImage } from './stored-image.ts';
import { StoreTransaction } from './transaction.ts';
import { Turns } from './turns.ts';

export type { ImportOptions, ImportResult } from './import-options.ts';
export type { ResolvedImage } from './resolve.ts';

export interface ImageStoreOptions {
  /** Absolute path of dockersh-layer. */
  readonly layerProgram: string;
  /**
   * What sandboxes use, starting and stopping ones included: paths of layer trees (ResolvedLayer.path) or
   * image digests. Asked before anything is removed. Add a path in the same turn in which resolve() gave it.
   */
  readonly inUse?: () => ReadonlySet<string>;
  /**
   * Image digests that users' layers are made on, snapshots included (user-layer.ts, layerBases). Asked
   * before anything is removed; nothing is removed where it fails.
   */
  readonly bases?: () => Promise<ReadonlySet<string>>;
  readonly limits?: ArchiveLimits;
  /** Hears of what went wrong without failing an operation (left-overs that could not be removed). */
  readonly log?: Pick<Logger, 'warn'>;
  /** Where the virtual image takes the host's files from; "/" but in tests. */
  readonly hostRoot?: string;
}

export interface ImageSummary {
  readonly name: string;
  readonly digest: string;
  readonly layers: number;
  /** Of the uncompressed layers, shared ones counted in full. Null for the virtual image. */
  readonly sizeBytes: number | null;
  /** ISO 8601, UTC. */
  readonly createdAt: string | null;
  readonly virtual: boolean;
}

export interface GarbageReport {
  readonly blobs: number;
  readonly layers: number;
  /** Of blobs, and of the archives that the layers were unpacked from. */
  readonly bytes: number;
}

export interface ImageStore extends AsyncDisposable, ContentStore {
  /**
   * What a sandbox needs of the image that `name` means now. Undefined where there is none of that name;
   * throws E_IMAGE_BROKEN where there is one and something of it is missing or has changed.
   */
  resolve(name: string): Promise<ResolvedImage | undefined>;
  /**
   * Makes an image of one layer from a folder or a tar (plain, gzip, zstd), replacing what `name` meant.
   * `path` is absolute. Throws E_USAGE, E_NOT_FOUND, E_IMAGE_BROKEN (the archive is refused, with the entry
   * and the reason), E_DISK_FULL; an AbortError when the signal says so.
   */
  importRootfs(name: string, path: string, options?: ImportOptions): Promise<ImportResult>;
  /**
   * Imports what `path` is: a root filesystem as importRootfs does, an OCI image layout (folder or tar), an
   * archive of docker save; tars plain or compressed. Without a name images keep their own. Throws as
   * importRootfs does.
   */
  importImage(name: string | undefined, path: string, options?: ImportOptions): Promise<ImportResult[]>;
  /** All images, the virtual one first, then by name. */
  list(): Promise<ImageSummary[]>;
  /**
   * Takes the name away, then everything that no name and no sandbox needs any more. Throws E_NOT_FOUND,
   * and E_USAGE for the virtual image.
   */
  remove(name: string): Promise<{ readonly name: string; readonly removed: true }>;
  /** Removes what nothing needs any more; call when sandboxes have ended. */
  collectGarbage(): Promise<GarbageReport>;
  /**
   * Whether `name` means another image by now than the one of this digest: other content, not merely another
   * compression of the same. False where there is no image of that name any more.
   */
  hasMoved(name: string, digest: string): Promise<boolean>;
}

/** Opens the store at `root` (absolute), making it where it is missing. Throws E_BUSY where it is open. */
export async function openImageStore(root: string, options: ImageStoreOptions): Promise<ImageStore> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  // Set-id programs of images lie below: nobody but root may get there, whatever the mode was before.
  await chmod(root, 0o700);
  const layout = layoutAt(root);
  await using undo = new AsyncDisposableStack();
  const lock = await lockStore(layout.lock);
  undo.defer(() => lock.release());
  await makeLayout(layout);
  const program: LayerProgram = { path: options.layerProgram, limits: options.limits ?? {} };
  for (const folder of await leftovers(layout)) await removeOrWarn(program, folder, options);
  const host = await openHostImage(layout, program, options);
  return new DiskStore({ layout, program, host, options, owned: undo.move() });
}

interface Parts {
  readonly layout: Layout;
  readonly program: LayerProgram;
  readonly host: HostImage;
  readonly options: ImageStoreOptions;
  readonly owned: AsyncDisposableStack;
}

class DiskStore implements ImageStore {
  readonly #parts: Parts;
  readonly #resolver: Resolver;
  /** Everything that changes the index or takes things out of the store goes one at a time. */
  readonly #turns = new Turns();
  readonly #context: StoreContext;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#resolver = new Resolver(parts.layout);
    this.#context = {
      layout: parts.layout,
      program: parts.program,
      pins: new Pins(),
      flights: new Flights(),
      notes: new Turns(),
      turn: (work) => this.#turns.take(work),
      change: async (work) => (await this.#change(work)).result,
    };
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

  async list(): Promise<ImageSummary[]> {
    const { layout, host } = this.#parts;
    const index = await readIndex(layout);
    const images: ImageSummary[] = [];
    for (const manifest of index.manifests) {
      const name = refNameOf(manifest);
      if (name !== undefined) images.push(await summaryOf(layout, name, manifest));
    }
    images.sort((left, right) => (left.name < right.name ? -1 : 1));
    const { digest, layers } = await host.resolve();
    const virtual = { sizeBytes: null, createdAt: null, virtual: true };
    return [{ name: hostImageName, digest, layers: layers.length, ...virtual }, ...images];
  }

  async remove(name: string): Promise<{ readonly name: string; readonly removed: true }> {
    const { layout } = this.#parts;
    const key = writableKey(name);
    await this.#change(async () => {
      const index = await readIndex(layout);
      const rest = withoutTag(index, key);
      if (rest.manifests.length === index.manifests.length) {
        throw new DockershError('E_NOT_FOUND', {
          what: `image '${key}'`,
          why: 'there is none of this name',
          hint: 'See "dockershctl image ls".',
        });
      }
      await writeIndex(layout, rest);
    });
    return { name: key, removed: true };
  }

  async collectGarbage(): Promise<GarbageReport> {
    const { blobs, layers, bytes } = (await this.#change(async () => undefined)).garbage;
    return { blobs, layers, bytes };
  }

  /** Changes the index with the turn held, then removes what has become garbage by it. */
  async #change<T>(change: () => Promise<T>): Promise<{ readonly result: T; readonly garbage: Garbage }> {
    const done = await this.#turns.take(async () => ({
      result: await change(),
      garbage: await this.#takeGarbage(),
    }));
    for (const folder of done.garbage.folders) {
      await removeOrWarn(this.#parts.program, folder, this.#parts.options);
    }
    return done;
  }

  async #takeGarbage(): Promise<Garbage> {
    const { layout, host, options } = this.#parts;
    const inUse = options.inUse ?? (() => new Set<string>());
    const nothing: Garbage = { folders: [], blobs: 0, layers: 0, bytes: 0 };
    const garbage = await this.#orWarn(async () => {
      const bases = (await options.bases?.()) ?? new Set();
      return collectGarbage(layout, { bases, inUse, pins: this.#context.pins });
    }, nothing);
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

/** Nothing depends on garbage being gone: what cannot be removed now is tried again at the next opening. */
async function removeOrWarn(
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

/** A broken image is listed as well, with what is known of it: it must be possible to see and remove it. */
async function summaryOf(layout: Layout, name: string, manifest: Descriptor): Promise<ImageSummary> {
  const known = { name, digest: manifest.digest, virtual: false };
  try {
    const image = await readStoredImage(layout, manifest.digest);
    return {
      ...known,
      layers: image.layers.length,
      sizeBytes: image.layers.reduce((sum, layer) => sum + layer.size, 0),
      createdAt: isoTime(image.config.created),
    };
  } catch (error) {
    if (!(error instanceof DockershError && error.code === 'E_IMAGE_BROKEN')) throw error;
    return { ...known, layers: 0, sizeBytes: null, createdAt: null };
  }
}

function isoTime(text: string | undefined): string | null {
  const time = new Date(text ?? Number.NaN);
  return Number.isNaN(time.valueOf()) ? null : time.toISOString();
}

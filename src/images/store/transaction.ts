// A transaction on the store's content, as content.ts describes it.

import type { Readable } from 'node:stream';
import type * as z from 'zod';
import { DockershError } from '../../lib/errors.ts';
import { blobSize, putDocument, readJsonBlob } from '../blobs/blobs.ts';
import type { AddOptions, LayerCompression, OpenBlob, Transaction } from '../content.ts';
import type { Digest } from '../digest.ts';
import { withBlobs } from '../export/portable.ts';
import { addBlob, addLayer, hasLayer } from '../layers/add.ts';
import { openChain } from '../layers/chain.ts';
import { findLayerInfo } from '../layers/layers.ts';
import { openBlobFile, openLayerTar } from '../layers/tar.ts';
import { type Descriptor, type ImageConfig, imageConfig, imageManifest } from '../oci.ts';
import { parseReference, writableKey } from '../reference.ts';
import { noteOrigin, type Origin, unknownOrigin } from '../trust/record.ts';
import type { StoreContext } from './context.ts';
import { manifestOf } from './find-manifest.ts';
import { readIndex, withTag, writeIndex } from './index-file.ts';
import type { PinSet } from './pins.ts';
import { requireWhole } from './whole.ts';

export class StoreTransaction implements Transaction {
  readonly #context: StoreContext;
  /** For what the store's own operations add beside these methods. */
  readonly pins: PinSet;

  constructor(context: StoreContext) {
    this.#context = context;
    this.pins = context.pins.hold();
  }

  async hasBlob(digest: Digest): Promise<boolean> {
    const { layout } = this.#context;
    this.pins.blob(digest);
    if ((await blobSize(layout, digest)) !== undefined) return true;
    this.pins.layer(digest);
    return (await findLayerInfo(layout, digest))?.packed === true;
  }

  async hasLayer(blob: Digest, diffId: Digest): Promise<boolean> {
    this.pins.blob(blob);
    this.pins.layer(diffId);
    return hasLayer(this.#context.layout, blob, diffId);
  }

  async readBlob(digest: Digest, signal?: AbortSignal): Promise<Readable> {
    const { layout, program } = this.#context;
    this.pins.blob(digest);
    const stored = await openBlobFile(layout, digest);
    if (stored !== undefined) return stored;
    this.pins.layer(digest);
    const info = await findLayerInfo(layout, digest);
    if (info?.packed === true) return openLayerTar(layout, program, info, signal);
    throw new DockershError('E_NOT_FOUND', { what: `blob ${digest}`, why: 'it is not in the store' });
  }

  async readJson<T extends z.ZodType>(blob: Descriptor, schema: T): Promise<z.infer<T>> {
    this.pins.blob(blob.digest);
    const size = await blobSize(this.#context.layout, blob.digest);
    if (size === undefined) {
      throw new DockershError('E_NOT_FOUND', { what: `blob ${blob.digest}`, why: 'it is not in the store' });
    }
    if (size !== blob.size) {
      const why = `it has ${size} bytes, what refers to it says ${blob.size}`;
      throw new DockershError('E_IMAGE_BROKEN', { what: `blob ${blob.digest}`, why });
    }
    return readJsonBlob(this.#context.layout, blob.digest, schema);
  }

  async putBlob(bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
    return putDocument(this.#context.layout, mediaType, bytes, (digest) => this.pins.blob(digest));
  }

  async addBlob(blob: Descriptor, open: OpenBlob, options: AddOptions = {}): Promise<void> {
    this.pins.blob(blob.digest);
    await addBlob(this.#context, blob, open, options);
  }

  async addLayer(blob: Descriptor, diffId: Digest, open: OpenBlob, options: AddOptions = {}): Promise<void> {
    this.pins.blob(blob.digest);
    this.pins.layer(diffId);
    await addLayer(this.#context, blob, diffId, open, options);
  }

  async find(name: string): Promise<Descriptor | undefined> {
    const { layout } = this.#context;
    const reference = parseReference(name);
    if (reference === undefined) return undefined;
    // With the turn held: between looking and pinning nothing may be collected.
    return this.#context.turn(async () => {
      const manifest = await manifestOf(layout, await readIndex(layout), reference);
      if (manifest !== undefined) await this.#pinImage(manifest);
      return manifest;
    });
  }

  async #pinImage(manifest: Descriptor): Promise<void> {
    const { layout } = this.#context;
    this.pins.blob(manifest.digest);
    const { config, layers } = await readJsonBlob(layout, manifest.digest, imageManifest);
    for (const blob of [config, ...layers]) this.pins.blob(blob.digest);
    for (const diffId of (await this.#configOf(manifest)).rootfs.diff_ids) this.pins.layer(diffId);
  }

  async #configOf(manifest: Descriptor): Promise<ImageConfig> {
    const { layout } = this.#context;
    const { config } = await readJsonBlob(layout, manifest.digest, imageManifest);
    return await readJsonBlob(layout, config.digest, imageConfig);
  }

  async withBlobs(
    manifest: Descriptor,
    compression: LayerCompression | 'keep',
    options: AddOptions = {},
  ): Promise<Descriptor> {
    await this.#pinImage(manifest);
    return withBlobs(this.#context, this.pins, manifest, compression, options);
  }

  async admit(name: string, digest: Digest, news: Origin): Promise<void> {
    await this.#context.trust.admit(writableKey(name), digest, news);
  }

  async tag(name: string, manifest: Descriptor, news: Origin = unknownOrigin): Promise<void> {
    const { layout, program } = this.#context;
    const key = writableKey(name);
    await requireWhole(layout, manifest);
    // Here and not at the first login. Where it goes again before the name is written, the login makes it.
    const { config, rootfs } = await this.#configOf(manifest);
    this.#context.admit(key, config?.Env ?? []);
    await this.#context.trust.admit(key, manifest.digest, news);
    this.pins.blob(manifest.digest); // with it stays what is noted of it
    await this.#context.notes.take(() => noteOrigin(layout, manifest.digest, news));
    await openChain(layout, program, rootfs.diff_ids);
    await this.#context.change(async () => {
      await writeIndex(layout, withTag(await readIndex(layout), key, manifest, layout.defaultRegistry()));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pins[Symbol.dispose]();
  }
}

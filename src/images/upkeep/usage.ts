// Adds up how much of the disk images take, and how much of that removing one would free.

import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { DockershError } from '../../lib/errors.ts';
import { blobSize, readJsonBlob } from '../blobs/blobs.ts';
import type { Digest } from '../digest.ts';
import { chainIdOf, listChains } from '../layers/chain.ts';
import { layerReport } from '../layers/job.ts';
import { listLayers, readLayerInfo } from '../layers/layers.ts';
import { imageConfig, imageManifest } from '../oci.ts';
import type { StoreContext } from '../store/context.ts';
import { readIndex, refNameOf } from '../store/index-file.ts';

export interface ImageUsage {
  /** Names of one image count once. */
  readonly names: readonly string[];
  readonly digest: string;
  /** Trees and blobs. */
  readonly sizeBytes: number;
  /** What other images have as well. */
  readonly sharedBytes: number;
  /** What removing this image would free, as long as no sandbox and no user's layer needs it. */
  readonly ownBytes: number;
}

export interface StoreUsage {
  readonly images: readonly ImageUsage[];
  readonly layersBytes: number;
  readonly blobsBytes: number;
  /** Of layers and blobs that no name leads to: sandboxes and users' layers may. */
  readonly unnamedBytes: number;
  /** Half made or broken off: downloads that can be resumed, operations under way. */
  readonly temporaryBytes: number;
  readonly totalBytes: number;
}

const usageReport = z.looseObject({ bytes: z.int().nonnegative() });

/** Trees never change, so each is measured once. */
export class UsageMeter {
  readonly #context: StoreContext;
  readonly #trees = new Map<Digest, number>();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  async measure(signal?: AbortSignal): Promise<StoreUsage> {
    const { layout } = this.#context;
    const images = await this.#images(signal);
    const users = new Map<string, number>();
    for (const { parts } of images)
      for (const part of parts.keys()) users.set(part, (users.get(part) ?? 0) + 1);
    const everything = await this.#everything(signal);
    const sum = (parts: Iterable<[string, number]>): number =>
      [...parts].reduce((all, [, size]) => all + size, 0);
    const layersBytes = sum([...everything].filter(([part]) => part.startsWith('tree ')));
    const blobsBytes = sum([...everything].filter(([part]) => part.startsWith('blob ')));
    const temporaryBytes = await this.#folderBytes(layout.tmp, signal);
    return {
      images: images.map(({ names, digest, parts }) => {
        const own = sum([...parts].filter(([part]) => users.get(part) === 1));
        const sizeBytes = sum(parts);
        return { names, digest, sizeBytes, sharedBytes: sizeBytes - own, ownBytes: own };
      }),
      layersBytes,
      blobsBytes,
      unnamedBytes: sum([...everything].filter(([part]) => !users.has(part))),
      temporaryBytes,
      totalBytes: layersBytes + blobsBytes + temporaryBytes,
    };
  }

  async #images(
    signal: AbortSignal | undefined,
  ): Promise<{ names: string[]; digest: Digest; parts: Map<string, number> }[]> {
    const byDigest = new Map<Digest, string[]>();
    for (const manifest of (await readIndex(this.#context.layout)).manifests) {
      const names = byDigest.get(manifest.digest) ?? [];
      byDigest.set(manifest.digest, [...names, refNameOf(manifest) ?? manifest.digest]);
    }
    const images = [...byDigest].map(async ([digest, names]) => ({
      names,
      digest,
      parts: await this.#parts(digest, signal),
    }));
    return Promise.all(images);
  }

  /** Of a broken image what can still be read. */
  async #parts(digest: Digest, signal: AbortSignal | undefined): Promise<Map<string, number>> {
    const parts = new Map<string, number>();
    try {
      await this.#addBlob(parts, digest);
      const { config, layers } = await readJsonBlob(this.#context.layout, digest, imageManifest);
      for (const blob of [config, ...layers]) await this.#addBlob(parts, blob.digest);
      const { rootfs } = await readJsonBlob(this.#context.layout, config.digest, imageConfig);
      const chainId = chainIdOf(rootfs.diff_ids);
      parts.set(
        `tree of chain ${chainId}`,
        await this.#folderBytes(this.#context.layout.chain(chainId), signal),
      );
      for (const diffId of rootfs.diff_ids) {
        parts.set(`tree ${diffId}`, await this.#treeBytes(diffId, signal));
        const { blobs } = await readLayerInfo(this.#context.layout, diffId);
        for (const blob of blobs) if (blob.made) await this.#addBlob(parts, blob.digest);
      }
    } catch (error) {
      if (!(error instanceof DockershError && error.code === 'E_IMAGE_BROKEN')) throw error;
    }
    return parts;
  }

  async #addBlob(parts: Map<string, number>, digest: Digest): Promise<void> {
    const size = await blobSize(this.#context.layout, digest);
    if (size !== undefined) parts.set(`blob sha256:${digest.slice(7)}`, size);
  }

  async #everything(signal: AbortSignal | undefined): Promise<Map<string, number>> {
    const { layout } = this.#context;
    const all = new Map<string, number>();
    for (const diffId of await listLayers(layout))
      all.set(`tree ${diffId}`, await this.#treeBytes(diffId, signal));
    for (const chainId of await listChains(layout)) {
      all.set(`tree of chain ${chainId}`, await this.#folderBytes(layout.chain(chainId), signal));
    }
    for (const name of await readdir(layout.blobs)) {
      const size = await sizeOf(path.join(layout.blobs, name));
      if (size !== undefined) all.set(`blob sha256:${name}`, size);
    }
    return all;
  }

  async #treeBytes(diffId: Digest, signal: AbortSignal | undefined): Promise<number> {
    const known = this.#trees.get(diffId);
    if (known !== undefined) return known;
    const bytes = await this.#folderBytes(this.#context.layout.tree(diffId), signal);
    this.#trees.set(diffId, bytes);
    return bytes;
  }

  /** 0 for what has gone meanwhile. */
  async #folderBytes(folder: string, signal: AbortSignal | undefined): Promise<number> {
    const options = { what: `measure ${folder}`, signal };
    try {
      return (await layerReport(this.#context.program, ['usage', folder], usageReport, options)).bytes;
    } catch (error) {
      signal?.throwIfAborted();
      if ((await sizeOf(folder)) === undefined) return 0;
      throw error;
    }
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

// Makes one more layer of an image from what a user has changed.

import { mkdtemp, rmdir, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { DockershError } from '../../lib/errors.ts';
import { putJsonBlob, readJsonBlob } from '../blobs/blobs.ts';
import { addForeignLayer, type ForeignLayer } from '../import/foreign-layer.ts';
import { type ImportOptions, reportEvery } from '../import/options.ts';
import {
  type Descriptor,
  type ImageConfig,
  type ImageManifest,
  imageConfig,
  imageManifest,
  maxLayers,
  mediaTypes,
  ociLayer,
} from '../oci.ts';
import { writableKey } from '../reference.ts';
import type { StoreContext } from '../store/context.ts';
import type { Layout } from '../store/layout.ts';
import { StoreTransaction } from '../store/transaction.ts';
import { localOrigin } from '../trust/record.ts';
import { type LeftOut, packedArchive } from './archive.ts';
import { type LayerInfo, noteLayer, unpackLayer } from './layers.ts';
import { type IdMapping, removeFolder } from './program.ts';

/** What to change of the base image's configuration; absent ones stay. */
export interface ConfigChanges {
  /** "NAME=value" sets, "NAME" removes. */
  readonly env?: readonly string[] | undefined;
  readonly workingDir?: string | undefined;
  readonly user?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
}

export interface CommitOptions extends ImportOptions {
  /** NAME or NAME:TAG of the new image. */
  readonly name: string;
  readonly author?: string | undefined;
  readonly message?: string | undefined;
  readonly configChanges?: ConfigChanges | undefined;
}

/** What becomes the new layer: a tree that nobody writes to, or what makes a copy of one, to be thrown away later. */
export type UpperSource = string | ((to: string) => Promise<void>);

export interface CommitResult {
  readonly name: string;
  readonly digest: string;
  readonly baseDigest: string;
  /** The new layer's diffID. */
  readonly layer: string;
  /** Of the new layer, uncompressed. */
  readonly sizeBytes: number;
  readonly files: number;
  readonly leftOut: LeftOut;
}

/**
 * Makes an image of `base` (NAME@DIGEST, or a name) and the layer in `upper`, whose ids on disk are the
 * host's. What no image can hold (a name that begins with ".wh.", a path that is too long) is left out and told. Throws E_NOT_FOUND without
 * the base, E_ARCHIVE_REFUSED where the layer is larger than the limits or has an id above 65535, E_DISK_FULL.
 */
export async function commitLayer(
  context: StoreContext,
  upper: UpperSource,
  ids: IdMapping | undefined,
  base: string,
  options: CommitOptions,
): Promise<CommitResult> {
  const key = writableKey(options.name);
  await using transaction = new StoreTransaction(context);
  const found = await transaction.find(base);
  if (found === undefined) {
    throw new DockershError('E_NOT_FOUND', {
      what: `image '${base}'`,
      why: 'it is not in the store, so nothing can be put on top of it',
    });
  }
  const { layer: taken, leftOut } = await packSource(context, transaction, upper, ids, options);
  const layer = taken.info;
  const { digest, config, layers } = await stack(context, transaction, found, taken, options);
  if (layers > maxLayers) {
    throw new DockershError('E_USAGE', {
      what: `commit ${key}`,
      why: `the image would have ${layers} layers, the limit is ${maxLayers}`,
      hint: 'Export the image, import it as a root filesystem, and go on from there.',
    });
  }
  options.signal?.throwIfAborted();
  await transaction.tag(key, config, localOrigin);
  return {
    name: key,
    digest,
    baseDigest: found.digest,
    layer: layer.diffId,
    sizeBytes: layer.size,
    files: layer.entries,
    leftOut,
  };
}

async function packSource(
  context: StoreContext,
  transaction: StoreTransaction,
  upper: UpperSource,
  ids: IdMapping | undefined,
  options: CommitOptions,
): Promise<Packed> {
  if (typeof upper === 'string') return await packUpper(context, transaction, upper, ids, options);
  const { layout, program } = context;
  const folder = await mkdtemp(path.join(layout.tmp, 'upper-'));
  try {
    const copy = path.join(folder, 'upper');
    await upper(copy);
    return await packUpper(context, transaction, copy, ids, options);
  } finally {
    await removeFolder(program, folder);
  }
}

interface Packed {
  readonly layer: ForeignLayer;
  readonly leftOut: LeftOut;
}

async function packUpper(
  context: StoreContext,
  transaction: StoreTransaction,
  upper: string,
  ids: IdMapping | undefined,
  options: CommitOptions,
): Promise<Packed> {
  const { layout, program } = context;
  const source = packedArchive(program, upper, { overlay: true, ids, signal: options.signal });
  using _reports = reportEvery(options, () => ({ step: 'committing', bytes: source.readBytes() }));
  const { pins } = transaction;
  const unpack = { signal: options.signal, label: `commit ${options.name}` };
  if (!(await holdsTimes(layout))) {
    const layer = await addForeignLayer(context, pins, source.stages[0], unpack, source.complete);
    return { layer, leftOut: await source.leftOut };
  }
  await using layer = await unpackLayer(layout, program, source, { ...unpack, packed: true });
  const { diffId, size } = layer.info;
  pins.layer(diffId);
  await layer.install();
  await context.notes.take(() => noteLayer(layout, diffId, { packed: true }));
  const blob = { mediaType: mediaTypes.layerTar, digest: diffId, size };
  return { layer: { info: layer.info, blob }, leftOut: await source.leftOut };
}

/** After 2038, with fractions: where the store's file system has no such times, packing a layer gives another archive. */
async function holdsTimes({ tmp }: Layout): Promise<boolean> {
  const folder = await mkdtemp(path.join(tmp, 'times-'));
  try {
    await utimes(folder, late, late);
    return (await stat(folder)).mtimeMs === late * 1000;
  } finally {
    await rmdir(folder);
  }
}

const late = 4_000_000_000.5;

interface Stacked {
  readonly digest: string;
  readonly config: Descriptor;
  readonly layers: number;
}

async function stack(
  { layout }: StoreContext,
  transaction: StoreTransaction,
  base: Descriptor,
  { info: layer, blob }: ForeignLayer,
  options: CommitOptions,
): Promise<Stacked> {
  const below = await readJsonBlob(layout, base.digest, imageManifest);
  const before = await readJsonBlob(layout, below.config.digest, imageConfig);
  const hold = transaction.pins.blob.bind(transaction.pins);
  const config = await putJsonBlob(layout, mediaTypes.config, committedConfig(before, layer, options), hold);
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers: [...below.layers.map(ociLayer), blob],
  };
  const stored = await putJsonBlob(layout, mediaTypes.manifest, manifest, hold);
  return { digest: stored.digest, config: stored, layers: manifest.layers.length };
}

function committedConfig(base: ImageConfig, layer: LayerInfo, options: CommitOptions): ImageConfig {
  const created = new Date().toISOString();
  const { author, message, configChanges = {} } = options;
  const step = {
    created,
    created_by: 'dockershctl commit',
    ...(author === undefined ? {} : { author }),
    ...(message === undefined ? {} : { comment: message }),
  };
  return {
    ...base,
    created,
    ...(author === undefined ? {} : { author }),
    config: changedConfig(base.config ?? {}, configChanges),
    rootfs: { type: 'layers', diff_ids: [...base.rootfs.diff_ids, layer.diffId] },
    history: [...historyOf(base), step],
  };
}

/** One step for each layer at least: readers match them from the bottom. */
function historyOf({ history, rootfs, created }: ImageConfig): NonNullable<ImageConfig['history']> {
  const told = history ?? [];
  const missing = rootfs.diff_ids.length - told.filter((step) => step.empty_layer !== true).length;
  const unknown = { ...(typeof created === 'string' ? { created } : {}), created_by: '' };
  return [...told, ...Array.from({ length: Math.max(0, missing) }, () => unknown)];
}

function changedConfig(
  before: NonNullable<ImageConfig['config']>,
  changes: ConfigChanges,
): NonNullable<ImageConfig['config']> {
  const { env, workingDir, user, labels, entrypoint, cmd } = changes;
  return {
    ...before,
    ...(env === undefined ? {} : { Env: changedEnv(before.Env ?? [], env) }),
    ...(workingDir === undefined ? {} : { WorkingDir: workingDir }),
    ...(user === undefined ? {} : { User: user }),
    ...(labels === undefined ? {} : { Labels: { ...before.Labels, ...labels } }),
    ...(entrypoint === undefined ? {} : { Entrypoint: [...entrypoint] }),
    ...(cmd === undefined ? {} : { Cmd: [...cmd] }),
  };
}

function changedEnv(before: readonly string[], changes: readonly string[]): string[] {
  const values = new Map(before.map((entry) => [entry.split('=', 1)[0] ?? entry, entry]));
  for (const change of changes) {
    const [name = change] = change.split('=', 1);
    if (change.includes('=')) values.set(name, change);
    else values.delete(name);
  }
  return [...values.values()];
}

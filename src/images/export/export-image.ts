// Exports an image as one archive that skopeo, podman and docker load. Everything is streamed: a layer that has no
// blob is packed, one that docker wants plain is decompressed, both while they are written.

import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { DockershError } from '../../lib/errors.ts';
import { type ImageName, isSameImage, parseImageName } from '../../lib/text/image-name.ts';
import { readJsonBlob } from '../blobs/blobs.ts';
import type { LayerCompression, Transaction } from '../content.ts';
import { type Digest, hexOf } from '../digest.ts';
import { readLayerInfo } from '../layers/layers.ts';
import { openLayerTar } from '../layers/tar.ts';
import { type Descriptor, imageConfig, imageManifest, mediaTypes, refNameAnnotation } from '../oci.ts';
import { parseReference } from '../reference.ts';
import type { StoreContext } from '../store/context.ts';
import { refNameOf } from '../store/index-file.ts';
import { StoreTransaction } from '../store/transaction.ts';
import { requireWhole } from '../store/whole.ts';
import { type TarFile, tarStream, tarText } from './tar-writer.ts';

export interface ExportOptions {
  /** `oci`: an OCI layout in a tar, with the image's own manifest. `docker`: as docker save writes it. */
  readonly format: 'oci' | 'docker';
  /** For `oci`: compress layers so before; without, they go as they are, those made here plain. */
  readonly compression?: LayerCompression | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ExportedImage {
  readonly name: string;
  /** Of the manifest in the archive; docker archives have none, so there it is the configuration's. */
  readonly digest: string;
  /** Of the archive. */
  readonly sizeBytes: number;
  /** The archive. Keeps everything it needs pinned until it ends or is destroyed. */
  readonly stream: Readable;
}

/** Throws E_NOT_FOUND where there is no such image, and E_IMAGE_BROKEN where something of it is missing. */
export async function exportImage(
  context: StoreContext,
  name: string,
  options: ExportOptions,
): Promise<ExportedImage> {
  await using undo = new AsyncDisposableStack();
  const transaction = undo.use(new StoreTransaction(context));
  const manifest = await transaction.find(name);
  if (manifest === undefined) {
    throw new DockershError('E_NOT_FOUND', {
      what: `image '${name}'`,
      why: 'there is none of this name',
      hint: 'See "dockershctl image ls".',
    });
  }
  await requireWhole(context.layout, manifest);
  const parts = {
    context,
    transaction,
    manifest,
    name: nameOf(name, manifest, context.layout.defaultRegistry()),
    options,
  };
  const { files, digest } = options.format === 'oci' ? await ociFiles(parts) : await dockerFiles(parts);
  const sizeBytes = files.reduce((sum, { size }) => sum + 512 + Math.ceil(size / 512) * 512, 1024);
  const held = undo.move();
  const stream = Readable.from(whilst(held, tarStream(files)), { objectMode: false });
  return { name, digest, sizeBytes, stream };
}

/** A digest or an id is no name that the archive could give. */
function nameOf(text: string, manifest: Descriptor, registry: string): ImageName | undefined {
  const reference = parseReference(text);
  const name = refNameOf(manifest) ?? '';
  const named = reference?.kind === 'tag' && isSameImage(reference.key, name, registry);
  return named ? parseImageName(text) : undefined;
}

async function* whilst(
  held: AsyncDisposableStack,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  await using _held = held;
  yield* bytes;
}

interface Parts {
  readonly context: StoreContext;
  readonly transaction: Transaction;
  readonly manifest: Descriptor;
  readonly name: ImageName | undefined;
  readonly options: ExportOptions;
}

interface Files {
  readonly files: readonly TarFile[];
  readonly digest: Digest;
}

async function ociFiles({ context, transaction, manifest, name, options }: Parts): Promise<Files> {
  const { compression, signal } = options;
  const { mediaType, digest, size } =
    compression === undefined ? manifest : await transaction.withBlobs(manifest, compression, { signal });
  const document = await readJsonBlob(context.layout, digest, imageManifest);
  const listed = { mediaType, digest, size, annotations: annotationsOf(name) };
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [listed] };
  const blobs = new Map(
    [document.config, ...document.layers, { digest, size }].map((blob) => [blob.digest, blob.size]),
  );
  const files = [...blobs].map(([blob, length]) => ({
    name: `blobs/sha256/${hexOf(blob)}`,
    size: length,
    open: () => transaction.readBlob(blob, signal),
  }));
  const layout = tarText('oci-layout', '{"imageLayoutVersion":"1.0.0"}');
  return { files: [layout, ...files, tarText('index.json', JSON.stringify(index))], digest };
}

/** The tag alone in the specification's annotation, the whole name where containerd and docker look. */
function annotationsOf(name: ImageName | undefined): Readonly<Record<string, string>> {
  if (name === undefined) return {};
  const tag = name.tag ?? 'latest';
  return { [refNameAnnotation]: tag, 'io.containerd.image.name': `${name.name}:${tag}` };
}

async function dockerFiles({ context, manifest, name, options }: Parts): Promise<Files> {
  const { layout, program } = context;
  const { config } = await readJsonBlob(layout, manifest.digest, imageManifest);
  const { rootfs } = await readJsonBlob(layout, config.digest, imageConfig);
  const files = new Map<string, TarFile>();
  const layers: string[] = [];
  for (const diffId of rootfs.diff_ids) {
    const info = await readLayerInfo(layout, diffId);
    const file = `${hexOf(diffId)}.tar`;
    layers.push(file);
    const open = (): Promise<Readable> => openLayerTar(layout, program, info, options.signal);
    files.set(file, { name: file, size: info.size, open });
  }
  const tags = name === undefined ? [] : [`${name.name}:${name.tag ?? 'latest'}`];
  const configName = `${hexOf(config.digest)}.json`;
  const saved = [{ Config: configName, RepoTags: tags, Layers: layers }];
  const text = await readFile(layout.blob(config.digest));
  const documents = [tarText(configName, text), tarText('manifest.json', JSON.stringify(saved))];
  return { files: [...files.values(), ...documents], digest: config.digest };
}

// From a root filesystem, as a folder or a tar, to an image of one layer.

import { type ArchiveSource, openArchive } from './archive.ts';
import { putJsonBlob } from './blobs.ts';
import type { LayerProgram } from './layer-program.ts';
import { type LayerInfo, type UnpackedLayer, unpackLayer } from './layers.ts';
import type { Layout } from './layout.ts';
import { type Descriptor, type ImageConfig, type ImageManifest, mediaTypes, ociArchitecture } from './oci.ts';

/** How far an import has come. Fits the admin protocol's progress. */
export interface ImportProgress {
  readonly step: string;
  /** Read so far. */
  readonly bytes?: number;
  /** Known for files only. */
  readonly totalBytes?: number;
}

export interface ImportOptions {
  /** Called a few times a second. */
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const progressIntervalMs = 200;

/** Reads the archive and unpacks it into tmp/; nothing of it is visible in the store yet. */
export async function readRootfs(
  layout: Layout,
  program: LayerProgram,
  path: string,
  options: ImportOptions,
): Promise<UnpackedLayer> {
  const source = await openArchive(program, path, options.signal);
  const stopReporting = reportProgress(source, options);
  try {
    return await unpackLayer(layout, program, source, { signal: options.signal, label: `import ${path}` });
  } finally {
    stopReporting();
  }
}

function reportProgress(source: ArchiveSource, { onProgress }: ImportOptions): () => void {
  if (onProgress === undefined) return () => undefined;
  const report = (): void =>
    onProgress({
      step: 'unpacking',
      bytes: source.readBytes(),
      ...(source.totalBytes === undefined ? {} : { totalBytes: source.totalBytes }),
    });
  const timer = setInterval(report, progressIntervalMs);
  return () => {
    clearInterval(timer);
    report();
  };
}

/** Puts the layer and its documents in place. The image exists only when a tag names the result. */
export async function storeImage(layout: Layout, layer: UnpackedLayer): Promise<Descriptor> {
  await layer.install();
  const config = await putJsonBlob(layout, mediaTypes.config, configOf(layer.info));
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers: [{ mediaType: mediaTypes.layerTar, digest: layer.info.diffId, size: layer.info.size }],
  };
  return putJsonBlob(layout, mediaTypes.manifest, manifest);
}

function configOf(layer: LayerInfo): ImageConfig {
  const created = new Date().toISOString();
  return {
    created,
    architecture: ociArchitecture(process.arch),
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
    history: [{ created, created_by: 'dockershctl image import' }],
  };
}

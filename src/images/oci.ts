// The documents of an OCI image, as the store reads and writes them: OCI image specification 1.1,
// image-index.md, manifest.md, config.md, descriptor.md. Pure. Unknown keys are kept (loose objects), as
// the specification asks.

import { z } from 'zod';
import { digestSchema } from './digest.ts';

export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layerTar: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerTar: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
} as const;

/** Largest manifest, index or configuration that is read: far above any real one, as registries have it. */
export const maxDocumentBytes = 4 * 1024 * 1024;
/** Most layers of one image: docker stops at 127, and the kernel's mount options have room for more. */
export const maxLayers = 256;

function tooManyLayers({ input }: { readonly input?: unknown }): string {
  return `it has ${Array.isArray(input) ? input.length : 'too many'} layers, the limit is ${maxLayers}`;
}

/** The annotation that carries a tag in index.json. Here: the whole name, "registry.example/lab/base:tag". */
export const refNameAnnotation = 'org.opencontainers.image.ref.name';

const annotations = z.record(z.string(), z.string());

const platform = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
});

export const descriptor = z.looseObject({
  mediaType: z.string(),
  digest: digestSchema,
  /** Bytes. */
  size: z.int().nonnegative(),
  annotations: annotations.optional(),
  platform: platform.optional(),
});
export type Descriptor = z.infer<typeof descriptor>;

export const imageIndex = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(descriptor),
});
export type ImageIndex = z.infer<typeof imageIndex>;

export const imageManifest = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptor,
  /** Lowest layer first. */
  layers: z.array(descriptor).min(1).max(maxLayers, { error: tooManyLayers }),
  annotations: annotations.optional(),
});
export type ImageManifest = z.infer<typeof imageManifest>;

/** One step in the making of an image: of a layer, or of the configuration alone. */
const historyEntry = z.looseObject({
  created: z.string().nullish(),
  created_by: z.string().nullish(),
  author: z.string().nullish(),
  comment: z.string().nullish(),
  empty_layer: z.boolean().nullish(),
});

// Programs in Go write null for what is not there, and take it as well.
export const imageConfig = z.looseObject({
  created: z.string().nullish(),
  author: z.string().nullish(),
  architecture: z.string(),
  os: z.string().default('linux'),
  config: z
    .looseObject({
      Env: z.array(z.string()).nullish(),
      User: z.string().nullish(),
      WorkingDir: z.string().nullish(),
      Labels: z.record(z.string(), z.string().nullable()).nullish(),
    })
    .nullish(),
  rootfs: z.looseObject({
    type: z.literal('layers').default('layers'),
    /** Digests of the uncompressed layers, lowest first. */
    diff_ids: z.array(digestSchema).min(1).max(maxLayers, { error: tooManyLayers }),
  }),
  history: z.array(historyEntry).nullish(),
});
export type ImageConfig = z.infer<typeof imageConfig>;

/** Node's name of this machine's architecture as OCI (Go) spells it. */
export function ociArchitecture(arch: string): string {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
  return names[arch] ?? arch;
}

const ociLayerTypes: Readonly<Record<string, string>> = {
  [mediaTypes.dockerLayer]: mediaTypes.layerGzip,
  [mediaTypes.dockerLayerTar]: mediaTypes.layerTar,
  [mediaTypes.dockerLayerZstd]: mediaTypes.layerZstd,
};

/** A layer of a manifest of either kind as one of OCI's names it: a manifest has layers of its own kind only. */
export function ociLayer(layer: Descriptor): Descriptor {
  return { ...layer, mediaType: ociLayerTypes[layer.mediaType] ?? layer.mediaType };
}

/** True for the two kinds of document that list manifests by platform. */
export function isIndex(mediaType: string): boolean {
  return mediaType === mediaTypes.index || mediaType === mediaTypes.dockerList;
}

/** True for what a manifest of one image is called. */
export function isManifest(mediaType: string): boolean {
  return mediaType === mediaTypes.manifest || mediaType === mediaTypes.dockerManifest;
}

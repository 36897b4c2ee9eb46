// The documents of an OCI image, as the store reads and writes them: OCI image specification 1.1,
// image-index.md, manifest.md, config.md, descriptor.md. Pure. Unknown keys are kept (loose objects), as
// the specification asks.

import * as z from 'zod';
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

// Programs in Go write null, an empty text or nothing at all for what is not there, and take each of them.
function maybe<T extends z.ZodType>(schema: T) {
  return schema
    .nullish()
    .transform((value) => value ?? undefined)
    .optional();
}
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const version = z
  .literal(2)
  .nullish()
  .transform((): 2 => 2);
const mediaType = maybe(z.string().transform((value) => (value === '' ? undefined : value)));
const annotations = maybe(z.record(z.string(), text));

const platform = z.looseObject({ architecture: text, os: text, variant: maybe(z.string()) });

export const descriptor = z.looseObject({
  mediaType: z.string(),
  digest: digestSchema,
  /** Bytes. */
  size: z.int().nonnegative(),
  annotations,
  platform: maybe(platform),
  /** What a manifest is for that is no image. */
  artifactType: maybe(z.string()),
});
export type Descriptor = z.infer<typeof descriptor>;

/** A digest of an algorithm that the store does not use (descriptor.md, "digests"). */
const strangeDigest = z.looseObject({
  digest: z.string().regex(/^(?!sha256:)[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+$/),
});

export const imageIndex = z.looseObject({
  schemaVersion: version,
  mediaType,
  /** Without those that have a digest of another algorithm than ours: an index is a choice. */
  manifests: z
    .array(z.union([descriptor, strangeDigest.transform(() => undefined)]))
    .nullable()
    .transform((entries) => (entries ?? []).filter((entry) => entry !== undefined)),
});
export type ImageIndex = z.infer<typeof imageIndex>;

export const imageManifest = z.looseObject({
  schemaVersion: version,
  mediaType,
  artifactType: maybe(z.string()),
  config: descriptor,
  /** Lowest layer first. */
  layers: z
    .array(descriptor)
    .max(maxLayers, { error: tooManyLayers })
    .nullish()
    .transform((layers) => layers ?? []),
  /** What it says something about, as a signature does. */
  subject: maybe(z.union([descriptor, strangeDigest.transform(() => undefined)])),
  annotations,
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

export const imageConfig = z.looseObject({
  created: z.string().nullish(),
  author: z.string().nullish(),
  /** Empty: it does not say. */
  architecture: text,
  variant: maybe(z.string()),
  os: text.transform((value) => (value === '' ? 'linux' : value)),
  config: z
    .looseObject({
      Env: z.array(z.string()).nullish(),
      User: z.string().nullish(),
      WorkingDir: z.string().nullish(),
      Labels: z.record(z.string(), z.string().nullable()).nullish(),
    })
    .nullish(),
  rootfs: z.looseObject({
    type: z
      .literal('layers')
      .nullish()
      .transform(() => 'layers' as const),
    /** Digests of the uncompressed layers, lowest first. */
    diff_ids: z
      .array(digestSchema)
      .max(maxLayers, { error: tooManyLayers })
      .nullish()
      .transform((diffIds) => diffIds ?? []),
  }),
  history: z.array(historyEntry.nullable().transform((step) => step ?? {})).nullish(),
});
export type ImageConfig = z.infer<typeof imageConfig>;

/** Node's name of this machine's architecture as OCI (Go) spells it. */
export function ociArchitecture(arch: string): string {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
  return names[arch] ?? arch;
}

/** Layers that only whoever made them may hand out; deprecated, as is what docker called foreign. */
const nondistributable: ReadonlyMap<string, string> = new Map([
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', mediaTypes.layerTar],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', mediaTypes.layerGzip],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', mediaTypes.layerZstd],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar', mediaTypes.dockerLayerTar],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', mediaTypes.dockerLayer],
]);

/** True for a layer that its manifest says is not to be uploaded anywhere. */
export function mayNotBeDistributed({ mediaType }: Pick<Descriptor, 'mediaType'>): boolean {
  return nondistributable.has(mediaType);
}

const ociLayerTypes: ReadonlyMap<string, string> = new Map([
  [mediaTypes.dockerLayer, mediaTypes.layerGzip],
  [mediaTypes.dockerLayerTar, mediaTypes.layerTar],
  [mediaTypes.dockerLayerZstd, mediaTypes.layerZstd],
]);

/** A layer of a manifest of either kind as one of OCI's names it: a manifest has layers of its own kind only. */
export function ociLayer(layer: Descriptor): Descriptor {
  return { ...layer, mediaType: ociLayerTypes.get(layer.mediaType) ?? layer.mediaType };
}

/** True for the two kinds of document that list manifests by platform. */
export function isIndex(mediaType: string): boolean {
  return mediaType === mediaTypes.index || mediaType === mediaTypes.dockerList;
}

/** True for what a manifest of one image is called. */
export function isManifest(mediaType: string): boolean {
  return mediaType === mediaTypes.manifest || mediaType === mediaTypes.dockerManifest;
}

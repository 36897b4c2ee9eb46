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
} as const;

/** The annotation that carries a tag in index.json. Here: the whole name, "registry.example/lab/base:tag". */
export const refNameAnnotation = 'org.opencontainers.image.ref.name';

const annotations = z.record(z.string(), z.string());

export const descriptor = z.looseObject({
  mediaType: z.string(),
  digest: digestSchema,
  /** Bytes. */
  size: z.int().nonnegative(),
  annotations: annotations.optional(),
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
  layers: z.array(descriptor).min(1),
  annotations: annotations.optional(),
});
export type ImageManifest = z.infer<typeof imageManifest>;

export const imageConfig = z.looseObject({
  created: z.string().optional(),
  architecture: z.string(),
  os: z.string(),
  config: z
    .looseObject({
      Env: z.array(z.string()).nullish(),
      WorkingDir: z.string().nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
    })
    .nullish(),
  rootfs: z.looseObject({
    type: z.literal('layers'),
    /** Digests of the uncompressed layers, lowest first. */
    diff_ids: z.array(digestSchema).min(1),
  }),
});
export type ImageConfig = z.infer<typeof imageConfig>;

/** Node's name of this machine's architecture as OCI (Go) spells it. */
export function ociArchitecture(arch: string): string {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
  return names[arch] ?? arch;
}

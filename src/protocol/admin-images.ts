// The verbs of the admin protocol that are about images: params, results, and named parts of both. Pure.

import * as z from 'zod';
import { Uid } from '../lib/values/uid.ts';
import { bytes, count, hostPath, imageName, noParams, timestamp, type Verb } from './admin-fields.ts';

const digest = z.string();

const adminImage = z.strictObject({
  name: imageName,
  digest,
  layers: count,
  sizeBytes: bytes.nullable(),
  createdAt: timestamp.nullable(),
  /** True for an image that is built from the host itself and takes no space in the store. */
  virtual: z.boolean(),
});
export type AdminImage = z.infer<typeof adminImage>;

/** `sizeBytes`: of the uncompressed layers. */
const storedImage = z.strictObject({ name: imageName, digest, sizeBytes: bytes, files: count });

/** As [images] has them. */
const trustRules = z.strictObject({
  imagesTrusted: z.array(z.strictObject({ glob: z.string(), keys: z.array(z.string()) })).max(1000),
  unsignedLocal: z.enum(['yes', 'no']),
  registry: z.string(),
});

/** One step in the making of an image. */
const adminHistoryEntry = z.strictObject({
  /** Of the layer that this step made; null for a step of the configuration alone. */
  diffId: digest.nullable(),
  createdAt: z.string().nullable(),
  createdBy: z.string(),
  author: z.string(),
  comment: z.string(),
  /** Of the layer, uncompressed. */
  sizeBytes: bytes,
});
export type AdminHistoryEntry = z.infer<typeof adminHistoryEntry>;

const adminImageDetails = z.strictObject({
  /** All names of this image. */
  names: z.array(imageName),
  digest,
  /** Of the indexes that it was pulled by, newest first. */
  indexDigests: z.array(digest),
  /** The same however the layers are compressed. */
  configDigest: digest,
  mediaType: z.string(),
  createdAt: z.string().nullable(),
  author: z.string().nullable(),
  architecture: z.string(),
  variant: z.string().nullable(),
  os: z.string(),
  sizeBytes: bytes,
  /** As it is in the image: Env, WorkingDir, User, Labels, Entrypoint, Cmd … */
  config: z.record(z.string(), z.unknown()),
  annotations: z.record(z.string(), z.string()),
  /** Lowest first. `blobBytes`: of the layer as it came. */
  layers: z.array(
    z.strictObject({
      diffId: digest,
      digest,
      mediaType: z.string(),
      sizeBytes: bytes,
      blobBytes: bytes,
      files: count,
    }),
  ),
});

/** What is wrong with an image, a blob, a layer, or the image that a user's layer is made on. */
const adminFault = z.strictObject({
  kind: z.enum(['image', 'blob', 'layer', 'base']),
  object: z.string(),
  why: z.string(),
});

/** Names of one image count once. Of its bytes, `shared` ones belong to other images as well. */
const imageUse = z.strictObject({
  names: z.array(z.string()),
  digest,
  sizeBytes: bytes,
  sharedBytes: bytes,
  ownBytes: bytes,
});
const userUse = z.strictObject({
  uid: Uid,
  /** Whose folder it is. */
  user: z.string(),
  /** The account that has the uid now; null: none has. */
  account: z.string().nullable(),
  layerBytes: bytes,
  files: count,
  snapshots: count,
  snapshotBytes: bytes,
});

const adminUse = z.strictObject({
  images: z.array(imageUse),
  users: z.array(userUse),
  layersBytes: bytes,
  blobsBytes: bytes,
  /** Of layers and blobs that no name leads to: sandboxes and users' layers may. */
  unnamedBytes: bytes,
  temporaryBytes: bytes,
  totalBytes: bytes,
});
export type AdminUse = z.infer<typeof adminUse>;

const source = z.strictObject({ name: imageName });

export const imageVerbs = {
  'image.import': {
    long: 'detachable',
    /** Without a name images keep the one that they bring. */
    params: z.strictObject({ name: imageName.optional(), path: hostPath }),
    result: z.strictObject({ images: z.array(storedImage) }),
  },
  'image.pull': {
    long: 'detachable',
    params: z.strictObject({
      name: imageName,
      as: imageName.optional(),
      /** "linux/arm64"; without it, this machine's. */
      platform: z.string().max(100).optional(),
    }),
    result: z.strictObject({
      name: imageName,
      /** "docker.io/library/debian:trixie" */
      from: z.string(),
      /** The mirror that it came from in place of the registry. */
      mirror: z.string().nullable(),
      digest,
      /** What the registry calls by the name: an index where there is one. */
      remoteDigest: digest,
      /** "linux/arm64". */
      platform: z.string(),
      /** False for another kind of machine than this one. */
      native: z.boolean(),
      layers: count,
      /** Layers that were here before. */
      layersShared: count,
      bytesReceived: bytes,
      changed: z.boolean(),
    }),
  },
  'image.push': {
    long: 'detachable',
    params: z.strictObject({ name: imageName, destination: imageName.optional() }),
    result: z.strictObject({
      name: imageName,
      destination: z.string(),
      digest,
      layers: count,
      layersSent: count,
      /** Taken over from another repository of the registry. */
      layersMounted: count,
      layersThere: count,
      bytesSent: bytes,
    }),
  },
  'image.bootstrap': {
    long: 'detachable',
    /** `suite`: "debian:trixie", "ubuntu:noble", "busybox". */
    params: z.strictObject({
      suite: z.string().min(1).max(128),
      name: imageName,
      mirror: z.string().max(1024).optional(),
      packages: z.array(z.string().max(128)).max(512).optional(),
    }),
    result: storedImage,
  },
  'image.ls': { params: noParams, result: z.strictObject({ images: z.array(adminImage) }) },
  'image.history': {
    params: source,
    /** Latest step first. */
    result: z.strictObject({ name: imageName, history: z.array(adminHistoryEntry) }),
  },
  'image.inspect': {
    params: source,
    /** `fitsMachine`: its programs run on this one without emulation. */
    result: adminImageDetails.extend({ fitsMachine: z.boolean() }),
  },
  'image.tag': {
    params: z.strictObject({ source: imageName, target: imageName }),
    result: z.strictObject({ name: imageName, digest }),
  },
  /** Which of these names' images the policy would not let run; names that nothing has are passed over. */
  'image.untrusted': {
    params: z.strictObject({
      names: z.array(imageName).max(1000),
      /** Others than those in force: of a policy that is not in place yet. */
      rules: trustRules.optional(),
    }),
    result: z.strictObject({ untrusted: z.array(z.strictObject({ name: imageName, why: z.string() })) }),
  },
  'image.rm': {
    /** `force`: also where the policy names it, or a sandbox runs on it. */
    params: z.strictObject({ name: source.shape.name, force: z.boolean().optional() }),
    result: z.strictObject({ name: imageName, removed: z.literal(true) }),
  },
  'image.export': {
    long: 'detachable',
    params: z.strictObject({ name: imageName, path: hostPath, format: z.enum(['oci', 'docker']) }),
    result: z.strictObject({ name: imageName, path: hostPath, digest, sizeBytes: bytes }),
  },
  'image.du': { long: 'attended', params: noParams, result: adminUse },
  'image.gc': {
    long: 'detachable',
    params: noParams,
    result: z.strictObject({ blobs: count, layers: count, bytes, damaged: z.array(z.string()).readonly() }),
  },
  'image.verify': {
    long: 'detachable',
    /** `layers`: also every file of every layer. */
    params: z.strictObject({ layers: z.boolean().optional() }),
    result: z.strictObject({
      images: count,
      blobs: count,
      layers: count,
      bytes,
      problems: z.array(adminFault),
    }),
  },
} as const satisfies Record<string, Verb>;

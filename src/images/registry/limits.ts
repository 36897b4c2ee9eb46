// Bounds on how much a registry may send and how long it may take, with the defaults. Everything here is a bound
// against a registry that is broken or means harm; none is met by one that works.

import { maxDocumentBytes, maxLayers } from '../oci.ts';

export interface RegistryLimits {
  /** Bytes of a manifest or index; what the distribution specification asks registries to accept. */
  readonly manifestBytes: number;
  /** Bytes of an image configuration. */
  readonly configBytes: number;
  /** Bytes of the answer of a token server, or of an error. */
  readonly answerBytes: number;
  /** Layers of one image. */
  readonly layers: number;
  /** Entries of an index. */
  readonly indexEntries: number;
  /** Bytes of all compressed layers of an image. */
  readonly imageBytes: number;
  readonly redirects: number;
  /** How often one request is sent before it counts as failed. */
  readonly attempts: number;
  /** First wait before another attempt; doubled each time. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Longest wait that a registry may ask for; one that asks for more is reported instead. */
  readonly maxRetryAfterMs: number;
  /** Name look-up, connection and TLS handshake. */
  readonly connectMs: number;
  /** From the end of a request to the first line of its answer. */
  readonly headersMs: number;
  /** Between two pieces of a body, sent or received. */
  readonly stallMs: number;
  /** A body that brings less than `slowBytes` in this much waiting counts as stalled: a trickle never ends. */
  readonly slowMs: number;
  readonly slowBytes: number;
  /** One request to a token server, or one run of a credential helper. */
  readonly credentialMs: number;
  /** Size of a piece where an upload has to be sent in pieces. */
  readonly chunkBytes: number;
}

const MiB = 1024 * 1024;

export const defaultLimits: RegistryLimits = {
  manifestBytes: maxDocumentBytes,
  configBytes: maxDocumentBytes,
  answerBytes: 256 * 1024,
  layers: maxLayers,
  indexEntries: 1000,
  imageBytes: 64 * 1024 * MiB,
  redirects: 5,
  attempts: 5,
  backoffMs: 250,
  maxBackoffMs: 15_000,
  maxRetryAfterMs: 120_000,
  connectMs: 15_000,
  headersMs: 60_000,
  stallMs: 30_000,
  slowMs: 60_000,
  slowBytes: 64 * 1024,
  credentialMs: 30_000,
  chunkBytes: 8 * MiB,
};

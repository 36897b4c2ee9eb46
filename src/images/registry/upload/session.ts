// Shared by the ways to send a blob: what is sent, and how an upload ends.

import type { Digest } from '../../digest.ts';
import type { Descriptor } from '../../oci.ts';
import { RegistryError } from '../failure.ts';
import type { Answer } from '../http/exchange.ts';

export interface BlobUpload {
  readonly repository: string;
  readonly blob: Descriptor;
  /** Gives the blob from its first byte on; called once for each attempt. */
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
  /** Other repositories of this registry that may have the blob. */
  readonly mountFrom?: readonly string[] | undefined;
  /** Called with the bytes sent so far; starts again with each attempt. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The address that closes an upload (distribution specification, "digest" parameter). */
export function withDigest(location: URL, digest: Digest): URL {
  const url = new URL(location);
  url.searchParams.set('digest', digest);
  return url;
}

export function requireStored(answer: Answer, digest: Digest): void {
  const stored = answer.headers['docker-content-digest'];
  if (stored === undefined || stored === digest || !String(stored).startsWith('sha256:')) return;
  const why = `it has stored the blob as ${String(stored)}, not as ${digest}`;
  throw new RegistryError('broken', { what: answer.what, why });
}

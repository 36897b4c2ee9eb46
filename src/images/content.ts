// The interface to blobs and layers by digest, on which pulls, pushes, imports and exports are written.
//
// Everything goes through a transaction. What a transaction has added or found is pinned until it is
// disposed: no garbage collection takes it, whatever else runs. Nothing is visible to logins before tag().
// Whatever enters is verified by the stream itself: digest, size and, for layers, the diffID.
//
// Adding is idempotent, and atomic: a blob or layer is there whole or not at all. Two transactions that add
// one blob at once share the work; where the first fails or is aborted, the second goes on by itself with its
// own source. A blob that was broken off stays in tmp/ under its digest and is resumed, by the same daemon or
// the next one, for a week.
//
// Errors: E_ARCHIVE_REFUSED (an entry that is unsafe, or more than the limits allow), E_IMAGE_BROKEN (content
// is not what its digest says, or not what its schema says; a manifest, a configuration and layers that do not
// belong together), E_DISK_FULL, E_NOT_FOUND (readBlob, readJson), and whatever `open` rejects with. An aborted
// signal rejects with its reason.

import type { Readable } from 'node:stream';
import type * as z from 'zod';
import type { Digest } from './digest.ts';
import type { Descriptor } from './oci.ts';
import type { Origin } from './trust/record.ts';

/**
 * Opens a blob for reading from byte `offset` on. Called again, with what has arrived by then, when the
 * stream breaks: ends early, or throws anything but a DockershError. Given up when nothing has arrived in
 * three calls running. A rejection of the call itself is final, so waiting and trying again to connect is
 * its own business.
 */
export type OpenBlob = (offset: number, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;

export interface BlobProgress {
  readonly digest: Digest;
  /** There so far, what was resumed included. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface AddOptions {
  /** Called for every piece that arrives: many times a second. Also when another transaction does the work. */
  readonly onProgress?: ((progress: BlobProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type LayerCompression = 'gzip' | 'zstd' | 'none';

export interface ContentStore {
  /** Whether the policy wants images to be signed. */
  readonly wantsSignatures: boolean;
  begin(): Promise<Transaction>;
}

export interface Transaction extends AsyncDisposable {
  /** True: nothing need be downloaded to read it. Pins it. */
  hasBlob(digest: Digest): Promise<boolean>;
  /** True when the layer's tree is here and this blob is known to hold it: addLayer would do nothing. */
  hasLayer(blob: Digest, diffId: Digest): Promise<boolean>;
  /**
   * The bytes, verified while they are read: the stream fails at its end where they are not what the digest
   * says. An uncompressed layer that was made here is packed again from its tree. Throws E_NOT_FOUND.
   */
  readBlob(digest: Digest, signal?: AbortSignal): Promise<Readable>;
  /** A manifest, index or configuration: at most 4 MiB, checked against digest, size and schema. */
  readJson<T extends z.ZodType>(descriptor: Descriptor, schema: T): Promise<z.infer<T>>;
  /** Stores a document, as it is. */
  putBlob(bytes: Uint8Array, mediaType: string): Promise<Descriptor>;
  /** A blob that is no layer, from a stream. */
  addBlob(blob: Descriptor, open: OpenBlob, options?: AddOptions): Promise<void>;
  /**
   * A layer's blob (plain, gzip or zstd, whatever its media type says), unpacked on the fly into the tree of
   * `diffId`. Where the tree is here already the blob is only stored, and checked to be that layer. Where
   * both are here nothing is opened.
   */
  addLayer(blob: Descriptor, diffId: Digest, open: OpenBlob, options?: AddOptions): Promise<void>;
  /**
   * The manifest that `name` means, with everything of it pinned; undefined where there is none. `name` is
   * NAME, NAME:TAG or NAME@DIGEST.
   */
  find(name: string): Promise<Descriptor | undefined>;
  /**
   * The image with a blob for every layer, compressed so: layers that were made here have none until now.
   * `keep` compresses those alone (with gzip) and returns `manifest` itself where there are none. The
   * configuration stays the same, byte for byte; compressed blobs are kept, so the next call is free.
   */
  withBlobs(
    manifest: Descriptor,
    compression: LayerCompression | 'keep',
    options?: AddOptions,
  ): Promise<Descriptor>;
  /**
   * Makes `name` (NAME or NAME:TAG) mean this manifest, atomically. Throws E_IMAGE_BROKEN where something
   * that it refers to is missing or does not belong to it, E_IMAGE_UNTRUSTED as admit() does. `news`: what has come to be
   * known of where the image is from.
   */
  tag(name: string, manifest: Descriptor, news?: Origin): Promise<void>;
  /** Throws E_IMAGE_UNTRUSTED where the policy does not trust the image enough to have this name. */
  admit(name: string, digest: Digest, news: Origin): Promise<void>;
}

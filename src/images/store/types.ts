// Types of the image store's operations and results; see image-store.ts.

import type { Logger } from '../../lib/log.ts';
import type { ContentStore } from '../content.ts';
import type { ExportedImage, ExportOptions } from '../export/export-image.ts';
import type { ImportOptions, ImportResult } from '../import/options.ts';
import type { CommitOptions, CommitResult, UpperSource } from '../layers/commit.ts';
import type { LayerChange } from '../layers/diff.ts';
import type { ArchiveLimits, IdMapping, LayerProgram } from '../layers/program.ts';
import type { TrustRules } from '../trust/rules.ts';
import type { TrustSettings } from '../trust/trust.ts';
import type { HistoryEntry, InspectedImage } from '../upkeep/inspect.ts';
import type { StoreUsage } from '../upkeep/usage.ts';
import type { VerifyOptions, VerifyReport } from '../upkeep/verify.ts';
import type { Admit } from './context.ts';
import type { Reserve } from './reserve.ts';
import type { ResolvedImage } from './resolve.ts';

export interface ImageStoreOptions {
  /** Absolute path of dockersh-layer. */
  readonly layerProgram: string;
  /**
   * What sandboxes use, starting and stopping ones included: paths of layer trees (ResolvedLayer.path) or
   * image digests. Asked before anything is removed. Add a path in the same turn in which resolve() gave it.
   */
  readonly inUse?: () => ReadonlySet<string>;
  /**
   * Image digests that users' layers are made on, snapshots included (user-layer.ts, layerBases). Asked
   * before anything is removed; nothing is removed where it fails.
   */
  readonly bases?: () => Promise<ReadonlySet<string>>;
  readonly limits?: ArchiveLimits;
  /** What the policy has just now; docker.io without. */
  readonly defaultRegistry?: (() => string) | undefined;
  readonly admit?: Admit | undefined;
  /** Without, everything is trusted. */
  readonly trust?: TrustSettings | undefined;
  /** For taking names away where the disk is full. */
  readonly reserve?: Reserve | undefined;
  /** Hears of what went wrong without failing an operation (left-overs that could not be removed). */
  readonly log?: Pick<Logger, 'warn'>;
  /** Where the virtual image takes the host's files from; "/" but in tests. */
  readonly hostRoot?: string;
}

export interface ImageSummary {
  readonly name: string;
  readonly digest: string;
  readonly layers: number;
  /** Of the uncompressed layers, shared ones counted in full. Null for the virtual image. */
  readonly sizeBytes: number | null;
  /** ISO 8601, UTC. */
  readonly createdAt: string | null;
  readonly virtual: boolean;
}

export interface GarbageReport {
  readonly blobs: number;
  readonly layers: number;
  /** Of blobs, and of the archives that the layers were unpacked from. */
  readonly bytes: number;
  /** Images whose documents cannot be read. Where there is one, nothing was removed. */
  readonly damaged: readonly string[];
}

export interface ImageStore extends AsyncDisposable, ContentStore {
  /**
   * What a sandbox needs of the image that `name` means now. Undefined where there is none of that name;
   * throws E_IMAGE_BROKEN where there is one and something of it is missing or has changed.
   */
  resolve(name: string): Promise<ResolvedImage | undefined>;
  /**
   * Throws E_IMAGE_UNTRUSTED where the policy has no trust in the image of this digest (ResolvedImage.digest) by this name.
   * `rules`: others than those in force.
   */
  requireTrusted(name: string, digest: string, rules?: TrustRules): Promise<void>;
  /**
   * Makes an image of one layer from a folder or a tar (plain, gzip, zstd), replacing what `name` meant.
   * `path` is absolute. Throws E_USAGE, E_NOT_FOUND, E_ARCHIVE_REFUSED (with the entry
   * and the reason), E_IMAGE_BROKEN, E_DISK_FULL; an AbortError when the signal says so.
   */
  importRootfs(name: string, path: string, options?: ImportOptions): Promise<ImportResult>;
  /**
   * Imports what `path` is: a root filesystem as importRootfs does, an OCI image layout (folder or tar), an
   * archive of docker save; tars plain or compressed. Without a name images keep their own. Throws as
   * importRootfs does.
   */
  importImage(name: string | undefined, path: string, options?: ImportOptions): Promise<ImportResult[]>;
  /**
   * The image as one archive: take `stream` to its end, or destroy it. Throws E_NOT_FOUND, E_IMAGE_BROKEN.
   */
  exportImage(name: string, options: ExportOptions): Promise<ExportedImage>;
  /** All images, the virtual one first, then by name. */
  list(): Promise<ImageSummary[]>;
  /**
   * Takes the name away, then everything that no name and no sandbox needs any more. Throws E_NOT_FOUND,
   * and E_USAGE for the virtual image.
   */
  remove(name: string): Promise<{ readonly name: string; readonly removed: true }>;
  /** Makes `target` mean what `source` means now. Throws E_NOT_FOUND; E_USAGE for a name that is none. */
  tag(source: string, target: string): Promise<{ readonly name: string; readonly digest: string }>;
  /** Throws E_NOT_FOUND, E_IMAGE_BROKEN. */
  inspect(name: string): Promise<InspectedImage>;
  /** Latest step first. Throws as inspect does. */
  history(name: string): Promise<HistoryEntry[]>;
  /** What images take of the disk. The first time every layer's tree is walked. */
  usage(signal?: AbortSignal): Promise<StoreUsage>;
  /** Reads everything. Damage is in the report. */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  /** See layers/commit.ts. `base` is `image@DIGEST` of what the layer was made on. */
  commit(
    upper: UpperSource,
    ids: IdMapping | undefined,
    base: string,
    options: CommitOptions,
  ): Promise<CommitResult>;
  /** See layers/diff.ts. */
  diff(
    upper: string,
    lowers: readonly string[],
    ids: IdMapping | undefined,
    options?: Pick<ImportOptions, 'signal'>,
  ): AsyncIterable<LayerChange>;
  /** For the functions of user-layer.ts. */
  readonly layerProgram: LayerProgram;
  /** The one name in the store that a name, digest or id stands for; undefined where there is none, or several. */
  nameOf(name: string): Promise<string | undefined>;
  /**
   * Removes what nothing needs any more; call when sandboxes have ended. Aborted, it takes no more out of the store, and throws
   * when what it has taken out is gone.
   */
  collectGarbage(signal?: AbortSignal): Promise<GarbageReport>;
  /**
   * Whether `name` means another image by now than the one of this digest: other content, not merely another
   * compression of the same. False where there is no image of that name any more.
   */
  hasMoved(name: string, digest: string): Promise<boolean>;
}

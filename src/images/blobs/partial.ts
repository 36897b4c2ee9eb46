// Receives a blob: into a file in tmp/ under the blob's digest, which grows as the bytes arrive and becomes the blob
// when digest and size are right. A break leaves it for the next attempt, by whatever process.

import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { abortable } from '../../lib/async/abortable.ts';
import { syncFolder } from '../../lib/atomic-file.ts';
import { DockershError } from '../../lib/errors.ts';
import type { BlobProgress, OpenBlob } from '../content.ts';
import { digestFromHex } from '../digest.ts';
import type { Descriptor } from '../oci.ts';
import type { Layout } from '../store/layout.ts';

/** Streams that may break one after the other with not a byte of progress. */
const mostFruitless = 3;
const replayBytes = 256 * 1024;

export interface ReadOptions {
  readonly signal: AbortSignal;
  readonly report: (progress: BlobProgress) => void;
}

export class PartialBlob implements AsyncDisposable {
  readonly #layout: Layout;
  readonly #blob: Descriptor;
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #hash: Hash = createHash('sha256');
  readonly #resumedBytes: number;
  #bytes = 0;
  #sourceFailed = false;

  private constructor(layout: Layout, blob: Descriptor, file: FileHandle, resumedBytes: number) {
    this.#layout = layout;
    this.#blob = blob;
    this.#file = file;
    this.#path = layout.partial(blob.digest);
    this.#resumedBytes = resumedBytes;
  }

  static async open(layout: Layout, blob: Descriptor): Promise<PartialBlob> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
    const file = await open(layout.partial(blob.digest), flags, 0o600);
    try {
      let { size } = await file.stat();
      if (size > blob.size) {
        await file.truncate(0);
        size = 0;
      }
      return new PartialBlob(layout, blob, file, size);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** True when an earlier attempt left something: where the content proves wrong, it may be to blame. */
  get resumed(): boolean {
    return this.#resumedBytes > 0;
  }

  /** True when the way here has failed, not the content. */
  get sourceFailed(): boolean {
    return this.#sourceFailed;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** All bytes from the first on, resumed ones included. Ends well only where they are the blob's. */
  async *bytes(source: OpenBlob, options: ReadOptions): AsyncGenerator<Buffer, void, void> {
    yield* this.#replay(options);
    let fruitless = 0;
    while (this.#bytes < this.#blob.size) {
      const before = this.#bytes;
      const broken = yield* this.#receive(source, options);
      fruitless = this.#bytes > before ? 0 : fruitless + 1;
      if (fruitless === mostFruitless) {
        this.#sourceFailed = true;
        throw this.#failure(`the stream breaks after ${this.#bytes} of ${this.#blob.size} bytes`, broken);
      }
    }
    const digest = digestFromHex(this.#hash.digest('hex'));
    if (digest !== this.#blob.digest) throw this.#failure(`its digest is ${digest}`);
  }

  async *#replay({ signal, report }: ReadOptions): AsyncGenerator<Buffer, void, void> {
    while (this.#bytes < this.#resumedBytes) {
      signal.throwIfAborted();
      const buffer = Buffer.allocUnsafe(Math.min(replayBytes, this.#resumedBytes - this.#bytes));
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#bytes);
      if (bytesRead === 0) throw this.#failure('its partial file has shrunk');
      const chunk = buffer.subarray(0, bytesRead);
      this.#count(chunk, report);
      yield chunk;
    }
  }

  /** Reads one stream until it ends or breaks; returns what broke it. */
  async *#receive(source: OpenBlob, options: ReadOptions): AsyncGenerator<Buffer, unknown, void> {
    const stream = await this.#open(source, options.signal);
    const chunks = stream[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await abortable(chunks.next(), options.signal);
        if (next.done === true) return undefined;
        const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
        await this.#append(chunk, options);
        yield chunk;
      }
    } catch (error) {
      options.signal.throwIfAborted();
      if (isOwnFailure(error)) throw error;
      if (error instanceof DockershError) {
        this.#sourceFailed = this.#bytes <= this.#blob.size;
        throw error;
      }
      return error;
    } finally {
      // Not awaited: a source that hangs must not hold up the end.
      void chunks.return?.()?.then(undefined, () => undefined);
    }
  }

  async #open(source: OpenBlob, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    try {
      return await source(this.#bytes, signal);
    } catch (error) {
      this.#sourceFailed = true;
      throw error;
    }
  }

  async #append(chunk: Buffer, { report }: ReadOptions): Promise<void> {
    if (this.#bytes + chunk.length > this.#blob.size) {
      this.#bytes += chunk.length;
      throw this.#failure(`it is longer than the ${this.#blob.size} bytes it should have`);
    }
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await this.#file.write(chunk, at);
      at += bytesWritten;
    }
    this.#count(chunk, report);
  }

  #count(chunk: Buffer, report: ReadOptions['report']): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    report({ digest: this.#blob.digest, bytes: this.#bytes, totalBytes: this.#blob.size });
  }

  /** Makes it the blob. Call when bytes() has ended well. */
  async install(): Promise<void> {
    await this.#file.sync();
    const target = this.#layout.blob(this.#blob.digest);
    await rename(this.#path, target);
    await syncFolder(path.dirname(target));
  }

  async discard(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  #failure(why: string, cause?: unknown): DockershError {
    return new DockershError('E_IMAGE_BROKEN', { what: `blob ${this.#blob.digest}`, why, cause });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/** A failure to write our own file, which no other stream would mend. */
function isOwnFailure(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall === 'write';
}

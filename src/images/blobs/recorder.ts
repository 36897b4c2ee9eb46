// Writes a blob whose digest is known only at the end: a layer that is compressed here, or a file that an
// administrator brings along.

import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Writable } from 'node:stream';
import { syncFolder } from '../../lib/atomic-file.ts';
import { digestFromHex } from '../digest.ts';
import type { Descriptor } from '../oci.ts';
import type { Layout } from '../store/layout.ts';

export class BlobRecorder implements AsyncDisposable {
  readonly #layout: Layout;
  readonly #folder: string;
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  #size = 0;
  /** Takes the bytes; nothing may be written any more when install() is called. */
  readonly sink: Writable;

  private constructor(layout: Layout, folder: string, file: FileHandle) {
    this.#layout = layout;
    this.#folder = folder;
    this.#file = file;
    this.sink = new Writable({
      highWaterMark: 256 * 1024,
      write: (chunk: Buffer, _encoding, done) => {
        void this.#write(chunk).then(() => done(), done);
      },
    });
  }

  static async open(layout: Layout): Promise<BlobRecorder> {
    const folder = await mkdtemp(path.join(layout.tmp, 'blob-'));
    try {
      return new BlobRecorder(layout, folder, await open(path.join(folder, 'blob'), 'wx', 0o600));
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async #write(chunk: Buffer): Promise<void> {
    this.#hash.update(chunk);
    this.#size += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await this.#file.write(chunk, at);
      at += bytesWritten;
    }
  }

  /** Makes it a blob of the store. `hold` is told the digest before it appears, to pin it. */
  async install(mediaType: string, hold: (blob: Descriptor) => void): Promise<Descriptor> {
    const digest = digestFromHex(this.#hash.digest('hex'));
    const blob: Descriptor = { mediaType, digest, size: this.#size };
    await this.#file.sync();
    hold(blob);
    await rename(path.join(this.#folder, 'blob'), this.#layout.blob(digest));
    await syncFolder(this.#layout.blobs);
    return blob;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sink.destroy();
    await this.#file.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

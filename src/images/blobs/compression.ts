// Tells how bytes are compressed from the first few of them, because names and media types lie.

import { Readable, type Transform } from 'node:stream';
import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { DockershError } from '../../lib/errors.ts';
import type { LayerCompression } from '../content.ts';
import { mediaTypes } from '../oci.ts';

export type Compression = LayerCompression | 'xz' | 'bzip2';

/** Bytes that compressionOf needs, where there are as many. */
export const headBytes = 6;

const magics: readonly (readonly [Exclude<Compression, 'none'>, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

export function compressionOf(head: Uint8Array): Compression {
  if (isSkippable(head)) return 'zstd';
  const match = magics.find(([, magic]) => magic.every((byte, index) => head[index] === byte));
  return match?.[0] ?? 'none';
}

/** A zstd frame of somebody's own, of one of 16 kinds, before the first with content: pzstd begins with one. */
function isSkippable(head: Uint8Array): boolean {
  const [kind = 0, ...rest] = head.subarray(0, 4);
  return kind >> 4 === 5 && rest.join() === '42,77,24';
}

const chunkSize = 256 * 1024;

export interface Decompressor extends Transform {
  /** What it has made use of: less than it was given where something follows the compressed data. */
  readonly bytesWritten: number;
}

/** zstd's own default, said aloud: a frame may ask for two GiB otherwise. */
const params = { [constants.ZSTD_d_windowLogMax]: 27 };

/** Undefined where there is nothing to undo. `what` is named where the compression is none of ours. */
export function decompressor(what: string, compression: Compression): Decompressor | undefined {
  switch (compression) {
    case 'none':
      return undefined;
    case 'gzip':
      return createGunzip({ chunkSize });
    case 'zstd':
      return createZstdDecompress({ chunkSize, params });
    case 'xz':
    case 'bzip2': {
      const tool = compression === 'xz' ? 'xz' : 'bzip2';
      throw new DockershError('E_USAGE', {
        what,
        why: `it is compressed with ${tool}`,
        hint: `Decompress it first (${tool} -dk FILE), or compress it with gzip or zstd.`,
      });
    }
  }
}

/** As decompressor; closes the stream where that throws, or its file would stay open. */
export function decompressorOf(
  stream: Readable,
  what: string,
  compression: Compression,
): Decompressor | undefined {
  try {
    return decompressor(what, compression);
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/**
 * Rejects where something follows the compressed data. zlib and zstd leave that out without a word, others do
 * not: what one reads as an image, another one refuses, and nobody looks at what is hidden there.
 */
export function allUsed(undo: Decompressor, size: () => number, label: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  undo.once('close', () => {
    const extra = size() - undo.bytesWritten;
    // Where it did not come to its end, whatever stopped it is the failure.
    if (!undo.readableEnded || undo.errored !== null || extra === 0) resolve();
    else {
      const why = `${extra} bytes follow the compressed data`;
      reject(new DockershError('E_ARCHIVE_REFUSED', { what: label, why, hint: 'Compress it again.' }));
    }
  });
  promise.catch(() => undefined); // awaited once the stream has ended
  return promise;
}

/** Fast rather than small: most layers are written once and read a few times. */
export function compressor(compression: LayerCompression): Transform | undefined {
  if (compression === 'none') return undefined;
  if (compression === 'gzip') return createGzip({ level: 1, chunkSize });
  return createZstdCompress({
    chunkSize,
    params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
  });
}

export const layerMediaTypes = {
  none: mediaTypes.layerTar,
  gzip: mediaTypes.layerGzip,
  zstd: mediaTypes.layerZstd,
} as const satisfies Record<LayerCompression, string>;

/** The same bytes again, and how they are compressed. Consumes `source` from now on. */
export async function sniff(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly compression: Compression; readonly stream: Readable }> {
  const rest = source[Symbol.asyncIterator]();
  let head: Uint8Array = Buffer.alloc(0);
  while (head.length < headBytes) {
    const next = await rest.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const stream = Readable.from(prepended(head, rest), { objectMode: false });
  return { compression: compressionOf(head), stream };
}

/** No generator: one that nobody has read from yet does nothing when it is ended, and the source would stay open. */
export function prepended(head: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  let isNext = head.length > 0;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    if (!isNext) return await rest.next();
    isNext = false;
    return { done: false, value: head };
  };
  const end = async (): Promise<IteratorResult<Uint8Array>> => {
    await rest.return?.();
    return { done: true, value: undefined };
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
}

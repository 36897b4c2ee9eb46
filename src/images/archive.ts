// Where the bytes of a layer come from: a tar file, plain or compressed, or a folder that is packed on the
// way. Either way a chain of streams that ends in an uncompressed tar, with constant memory.

import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { DockershError, hasErrno } from '../lib/errors.ts';
import { type LayerProgram, layerFailure, startPack } from './layer-program.ts';
import { DigestTap } from './tap.ts';

export interface ArchiveSource {
  /** First the source, then what transforms it. */
  readonly stages: readonly [Readable, ...Transform[]];
  /** Bytes read from the source so far, and in all where that is known. */
  readBytes(): number;
  readonly totalBytes: number | undefined;
  /** Settles when the source has given everything; rejects where it could not. */
  readonly complete: Promise<void>;
}

type Compression = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

const magics: readonly (readonly [Exclude<Compression, 'none'>, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

/** How a file is compressed, by its first bytes: names lie. */
export function compressionOf(head: Uint8Array): Compression {
  const match = magics.find(([, magic]) => magic.every((byte, index) => head[index] === byte));
  return match?.[0] ?? 'none';
}

/** Opens what an administrator named: a folder or a tar. The caller consumes `stages` to the end. */
export async function openArchive(
  program: LayerProgram,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ArchiveSource> {
  const stats = await statOrRefuse(path);
  if (stats.isDirectory()) return packFolder(program, path, signal);
  if (!stats.isFile()) throw refused(path, 'it is neither a folder nor a file');
  return openTar(path);
}

async function statOrRefuse(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      throw new DockershError('E_NOT_FOUND', { what: path, why: 'there is no such file or folder' });
    }
    throw error;
  }
}

async function packFolder(
  program: LayerProgram,
  path: string,
  signal: AbortSignal | undefined,
): Promise<ArchiveSource> {
  const [given, root] = [await stat(path), await stat('/')];
  if (given.ino === root.ino && given.dev === root.dev) {
    throw refused(path, "it is the host's own root: its secrets would be every user's to read");
  }
  const { child, ended } = startPack(program, path, signal);
  const tap = new DigestTap();
  // Consumed from the start: Node throws away what nobody reads of a process that has ended. A failure of
  // this stream is one of `tap` as well, and its cause is in the exit status.
  pipeline(child.stdout, tap).catch(() => undefined);
  const complete = ended.then((exit) => {
    // SIGPIPE: whoever read the archive gave up, and says why itself.
    if (exit.status !== 0 && exit.signal !== 'SIGPIPE') throw layerFailure(`read ${path}`, exit);
  });
  complete.catch(() => undefined); // awaited by the consumer, once the stream has ended
  return { stages: [tap], readBytes: () => tap.bytes, totalBytes: undefined, complete };
}

async function openTar(path: string): Promise<ArchiveSource> {
  // O_NONBLOCK: a path that has become a pipe since must not block.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    const decompressor = decompressorFor(path, compressionOf(await readHead(file)));
    const stream = file.createReadStream({ start: 0, highWaterMark: 1024 * 1024 });
    return {
      stages: decompressor === undefined ? [stream] : [stream, decompressor],
      readBytes: () => stream.bytesRead,
      totalBytes: size,
      complete: Promise.resolve(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readHead(file: FileHandle): Promise<Uint8Array> {
  const head = Buffer.alloc(6);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  return head.subarray(0, bytesRead);
}

function decompressorFor(path: string, compression: Compression): Transform | undefined {
  switch (compression) {
    case 'none':
      return undefined;
    case 'gzip':
      return createGunzip({ chunkSize: 256 * 1024 });
    case 'zstd':
      return createZstdDecompress({ chunkSize: 256 * 1024 });
    case 'xz':
    case 'bzip2': {
      const tool = compression === 'xz' ? 'xz' : 'bzip2';
      throw refused(
        path,
        `it is compressed with ${tool}`,
        `Decompress it first (${tool} -dk FILE), or compress it with gzip or zstd.`,
      );
    }
  }
}

function refused(
  path: string,
  why: string,
  hint = 'Name a root filesystem folder, or a tar of one.',
): DockershError {
  return new DockershError('E_USAGE', { what: path, why, hint });
}

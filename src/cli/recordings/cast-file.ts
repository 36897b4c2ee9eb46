// Reads a recording: frames of zstd, of which the last may lack its end and each may be that of a recorder that was killed. What had
// been written by then is all there.

import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { DockershError } from '../../lib/errors.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';

/** What a recorder writes that goes on behind another one: an empty last block, and its own frame (native/supervisor/keeper/record/frames.c). */
const seam = Buffer.from([1, 0, 0, 0x28, 0xb5, 0x2f, 0xfd]);
const lastBlock = Buffer.from([1, 0, 0]);
/** Magic number, a descriptor that says nothing, and the window's size: RFC 8878, 3.1.1.1. */
const headerBytes = 6;
const chunkBytes = 256 * 1024;

/** Its lines, each whole. */
export async function* linesOfCast(path: AbsolutePath): AsyncGenerator<string> {
  await using handle = await open(path, 'r');
  const read = async (at: number): Promise<Buffer> => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(chunkBytes), 0, chunkBytes, at);
    return buffer.subarray(0, bytesRead);
  };
  for await (const [start, end] of framesIn(read)) yield* linesOfFrame(read, start, end);
}

type Read = (at: number) => Promise<Buffer>;

async function* framesIn(read: Read): AsyncGenerator<readonly [start: number, end: number]> {
  let start = 0;
  let at = 0;
  for (;;) {
    const chunk = await read(at);
    for (let found = chunk.indexOf(seam); found >= 0; found = chunk.indexOf(seam, found + 1)) {
      yield [start, at + found];
      start = at + found + lastBlock.length;
    }
    if (chunk.length < chunkBytes) {
      yield [start, at + chunk.length];
      return;
    }
    at += chunk.length - seam.length + 1;
  }
}

async function* linesOfFrame(read: Read, start: number, end: number): AsyncGenerator<string> {
  if (end - start < headerBytes) return;
  const decoder = Readable.from(wholeBlocks(read, start, end)).pipe(createZstdDecompress());
  let rest = '';
  try {
    decoder.setEncoding('utf8');
    for await (const text of decoder as AsyncIterable<string>) {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? ''; // without its end: its writer was killed
      yield* lines;
    }
  } catch (cause) {
    throw new DockershError('E_RECORDING_BROKEN', { cause });
  }
}

/** Those blocks that are there to their end, as a frame that has one. */
async function* wholeBlocks(read: Read, start: number, end: number): AsyncGenerator<Buffer> {
  let at = start;
  let chunk = (await read(at)).subarray(0, end - at);
  let used = headerBytes;
  for (;;) {
    const block = chunk.subarray(used, used + 3);
    const header = block.length < 3 ? undefined : block.readUIntLE(0, 3);
    const size = header === undefined ? 0 : 3 + ((header >> 1) % 4 === 1 ? 1 : header >> 3);
    const isCut = header === undefined || used + size > chunk.length;
    if (!isCut) {
      used += size;
      if (header % 2 === 0) continue;
    }
    yield chunk.subarray(0, used);
    if (!isCut) return;
    at += used;
    const more = (await read(at)).subarray(0, Math.max(0, end - at));
    if (more.length < 3 || (used === 0 && more.length <= chunk.length)) {
      yield lastBlock;
      return;
    }
    chunk = more;
    used = 0;
  }
}

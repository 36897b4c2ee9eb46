// Tests of streams that compute a digest while bytes pass.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { sniff } from '../../../src/images/blobs/compression.ts';
import { DigestTap, type Expected } from '../../../src/images/blobs/tap.ts';
import { digestOf } from '../../../src/images/digest.ts';
import { lockStore } from '../../../src/images/store/lock.ts';
import { Serial } from '../../../src/lib/async/serial.ts';

const content = 'some content';
const right: Expected = { digest: digestOf(content), size: content.length };

async function through(tap: DigestTap, chunks: readonly string[]): Promise<string> {
  const seen: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      seen.push(chunk.toString());
      done();
    },
  });
  await pipeline(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), tap, sink);
  return seen.join('');
}

it('a tap passes everything on and knows its digest at the end', async () => {
  const tap = new DigestTap();
  expect(tap.digest).toBeUndefined();
  expect(await through(tap, ['some ', 'content'])).toBe(content);
  expect(tap).toMatchObject({ bytes: content.length, digest: digestOf(content) });
  const checked = new DigestTap(right);
  await through(checked, [content]);
  expect(checked.digest).toBe(right.digest);
});

// In a process of its own: what other tests have left on a heap decides how much of it V8 keeps for how long.
it('what has passed a tap does not pile up', async () => {
  const tap = new URL('../../../src/images/blobs/tap.ts', import.meta.url);
  const script = `
    const { Readable, Writable } = await import('node:stream');
    const { pipeline } = await import('node:stream/promises');
    const { DigestTap } = await import('${tap.href}');
    const held = () => process.memoryUsage().arrayBuffers;
    const before = held();
    let peak = 0;
    function* pieces() {
      for (let piece = 0; piece < 1500; piece += 1) yield Buffer.alloc(256 * 1024, piece);
    }
    const write = (_chunk, _encoding, done) => {
      peak = Math.max(peak, held());
      setImmediate(done);
    };
    await pipeline(Readable.from(pieces(), { objectMode: false }), new DigestTap(), new Writable({ write }));
    console.log(peak - before);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  // V8 alone would let more than 64 MiB pile up.
  expect(Number(stdout) / 1024 / 1024).toBeLessThan(40);
});

it.each([
  ['another digest', ['SOME content'], 'digest sha256:'],
  ['too little', ['some'], '4 bytes instead of 12'],
  ['too much', [content, '!', 'and so on without end'], 'more than the 12 bytes'],
])('a tap that knows what to expect fails by itself: %s', async (_name, chunks, message) => {
  await expect(through(new DigestTap(right), chunks)).rejects.toMatchObject({
    code: 'E_IMAGE_BROKEN',
    message: expect.stringContaining(message),
  });
});

it('turns come one at a time, in order, and a failure ends only its own', async () => {
  const turns = new Serial();
  const log: string[] = [];
  const work = (name: string) => async (): Promise<string> => {
    log.push(`${name} starts`);
    await Promise.resolve();
    log.push(`${name} ends`);
    if (name === 'b') throw new Error('b failed');
    return name;
  };
  const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => turns.take(work(name))));
  expect(log).toEqual(['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends']);
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

it('of many who ask for the lock at once one gets it', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'dockersh-test-lock-'));
  try {
    const asked = Array.from({ length: 8 }, () => lockStore(path.join(folder, 'lock')));
    const results = await Promise.allSettled(asked);
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    const lock = results.find((result) => result.status === 'fulfilled')?.value;
    await lock?.release();
    await (await lockStore(path.join(folder, 'lock'))).release();
  } finally {
    await rm(folder, { recursive: true });
  }
});

it.each([0, 1, 3])('what has been looked at lets go of its source after %d pieces', async (pieces) => {
  const source = createReadStream(process.execPath);
  const { stream } = await sniff(source);
  const reader = stream[Symbol.asyncIterator]();
  for (let piece = 0; piece < pieces; piece += 1) expect((await reader.next()).done).toBe(false);
  const closed = once(stream, 'close');
  stream.destroy();
  await closed;
  expect(source.destroyed).toBe(true);
});

// Reads recordings as a recorder leaves them: cut anywhere, and gone on with by another one.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, createZstdCompress } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { linesOfCast } from '../../../src/cli/recordings/cast-file.ts';
import { eventsOf } from '../../../src/cli/recordings/events.ts';
import { resolved } from '../../../src/lib/values/absolute-path.ts';

const folder = mkdtempSync(join(tmpdir(), 'dockersh-test-'));
const file = resolved(join(folder, 'x.cast.zst'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const seam = Buffer.from([1, 0, 0]);
const header = '{"version":2,"width":80,"height":24,"timestamp":1700000000,"title":"x"}';

async function all<T>(some: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of some) found.push(one);
  return found;
}

/** Each piece can be read when it has been written, though the frame goes on. */
async function frame(pieces: readonly string[], ends: boolean): Promise<Buffer> {
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: 17 } });
  const out: Buffer[] = [];
  compress.on('data', (chunk: Buffer) => out.push(chunk));
  for (const piece of pieces) {
    compress.write(piece);
    await new Promise<void>((resolve) => compress.flush(constants.ZSTD_e_flush, resolve));
  }
  if (ends) {
    compress.end();
    await new Promise((resolve) => compress.once('end', resolve));
  }
  return Buffer.concat(out);
}

async function linesIn(bytes: Buffer): Promise<string[]> {
  writeFileSync(file, bytes);
  return await all(linesOfCast(file));
}

const line = (at: number, text: string): string => `${JSON.stringify([at, 'o', text])}\n`;
/** Nothing that repeats itself. */
const noise = (seed: number): string =>
  Array.from({ length: 3000 }, (_, index) =>
    Math.trunc(Math.abs(Math.sin(seed * 10_000 + index)) * 1e12).toString(36),
  ).join('');

describe('a recording', () => {
  it('is read to its end', async () => {
    const bytes = await frame([`${header}\n`, line(1, 'é'), line(2, 'b')], true);
    expect(await linesIn(bytes)).toEqual([header, line(1, 'é').trim(), line(2, 'b').trim()]);
  });

  it('is read as far as it was written', async () => {
    const pieces = [`${header}\n`, ...[1, 2, 3, 4].map((at) => line(at, noise(at)))];
    const whole = await frame(pieces, false);
    expect(await linesIn(whole)).toHaveLength(5);
    const sizes: number[] = [];
    for (let count = 1; count <= pieces.length; count += 1) {
      sizes.push((await frame(pieces.slice(0, count), false)).length);
    }
    for (let length = 0; length < whole.length; length += 97) {
      const lines = await linesIn(whole.subarray(0, length));
      expect(lines, `${length} bytes`).toHaveLength(sizes.filter((size) => size <= length).length);
    }
  });

  it('is gone on with by another recorder, wherever the first was killed', async () => {
    const pieces = [`${header}\n`, line(1, noise(1)), line(2, noise(2))];
    const whole = await frame(pieces, false);
    const second = await frame([line(3, noise(3)), line(4, 'end')], true);
    const behind = [line(3, noise(3)), line(4, 'end')].map((one) => one.trim());
    for (let length = 10; length < whole.length; length += 211) {
      const lines = await linesIn(Buffer.concat([whole.subarray(0, length), seam, second]));
      expect(lines.slice(-2), `${length} bytes`).toEqual(behind);
      const before = lines.slice(0, -2);
      expect(before).toEqual(pieces.slice(0, before.length).map((one) => one.trim()));
    }
    const lines = await linesIn(Buffer.concat([whole, seam, second]));
    expect(lines).toHaveLength(5);
  });

  it('is longer than what is read at a time', async () => {
    const pieces = Array.from({ length: 60 }, (_, at) => line(at, noise(at)));
    const bytes = await frame([`${header}\n`, ...pieces], false);
    expect(bytes.length).toBeGreaterThan(600_000);
    expect((await linesIn(bytes)).slice(1)).toEqual(pieces.map((piece) => piece.trim()));
  });

  it('has times since its beginning, in either version', async () => {
    const three = [
      '{"version":3,"term":{"cols":80,"rows":24}}',
      '[1.5,"o","a"]',
      '[0.25,"r","1x2"]',
      'cut ["',
    ];
    async function* lines(): AsyncGenerator<string> {
      yield* three;
    }
    expect(await all(eventsOf(lines()))).toEqual([
      { version: 3, columns: 80, rows: 24, timestamp: undefined, title: undefined, term: undefined },
      { at: 1.5, kind: 'o', text: 'a' },
      { at: 1.75, kind: 'r', text: '1x2' },
    ]);
  });

  it('that has no beginning is refused', async () => {
    async function* lines(): AsyncGenerator<string> {
      yield '[1,"o","x"]';
    }
    await expect(all(eventsOf(lines()))).rejects.toMatchObject({ code: 'E_RECORDING_BROKEN' });
  });
});

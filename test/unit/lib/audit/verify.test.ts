// Whatever is done to a line of an audit trail, its chain shows where.

import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sumOf } from '../../../../src/lib/audit/chain.ts';
import { verify } from '../../../../src/lib/audit/verify.ts';
import { chained, TrailFolder } from './trail.ts';

const ten = chained(
  Array.from(
    { length: 10 },
    (_, index) => ['login', { session: `${index}`, user: 'ada', uid: 1000 }] as const,
  ),
);

describe('verify', () => {
  it('finds nothing wrong with what was written, in one file or several', async () => {
    using folder = new TrailFolder();
    expect(await verify(folder.path)).toMatchObject({ lines: 0, head: undefined, broken: undefined });
    folder.write(ten.slice(0, 4), 'audit-000000000001.jsonl');
    folder.write(ten.slice(4, 5), 'audit-000000000005.jsonl');
    folder.write(ten.slice(5));
    const head = { seq: 10, sum: sumOf(ten[9] ?? '') };
    expect(await verify(folder.path)).toMatchObject({
      files: 3,
      lines: 10,
      firstSeq: 1,
      head,
      broken: undefined,
    });
  });

  it('begins with what is there when old files have been removed', async () => {
    using folder = new TrailFolder();
    folder.write(ten.slice(5));
    expect(await verify(folder.path)).toMatchObject({ lines: 5, firstSeq: 6, broken: undefined });
  });

  it.each([
    ['a line that is changed', (lines: string[]) => lines.with(3, lines[3]?.replace('ada', 'eve') ?? ''), 5],
    ['a line that is removed', (lines: string[]) => lines.toSpliced(3, 1), 4],
    ['a line that is put in', (lines: string[]) => lines.toSpliced(3, 0, lines[2] ?? ''), 4],
    [
      'lines that change places',
      (lines: string[]) => lines.with(3, lines[4] ?? '').with(4, lines[3] ?? ''),
      4,
    ],
    ['a line that is none', (lines: string[]) => lines.with(3, 'nothing'), 4],
    ['an empty line', (lines: string[]) => lines.toSpliced(3, 0, ''), 4],
  ])('names the place of %s', async (_, change, line) => {
    using folder = new TrailFolder();
    folder.write(change(ten));
    expect((await verify(folder.path)).broken).toMatchObject({ file: 'audit.jsonl', line });
  });

  it('notices any change of any byte but in the last line', async () => {
    using folder = new TrailFolder();
    const bytes = Buffer.from(ten.map((line) => `${line}\n`).join(''));
    const end = bytes.lastIndexOf(10, -2);
    await fc.assert(
      fc.asyncProperty(fc.nat(end - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ change;
        writeFileSync(folder.file(), changed);
        expect((await verify(folder.path)).broken).toBeDefined();
      }),
      { numRuns: 60 },
    );
  });

  it('misses a line at the end only where somebody has its sum', async () => {
    using folder = new TrailFolder();
    const sum = sumOf(ten[9] ?? '');
    folder.write(ten);
    expect(await verify(folder.path, sum)).toMatchObject({ holds: true, broken: undefined });
    folder.write(ten.slice(0, 9));
    expect(await verify(folder.path)).toMatchObject({ broken: undefined });
    expect(await verify(folder.path, sum)).toMatchObject({ holds: false, broken: undefined });
    // All of it written anew fits in itself.
    folder.write(chained(ten.map(() => ['login', { user: 'eve' }] as const)));
    expect(await verify(folder.path, sum)).toMatchObject({ lines: 10, holds: false, broken: undefined });
  });
});

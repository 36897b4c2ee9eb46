// Tests of the small files that are kept for each user.

import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { AbsolutePath } from '../../../../src/lib/values/absolute-path.ts';
import type { Uid } from '../../../../src/lib/values/uid.ts';
import { KeptFile } from '../../../../src/users/own/kept-file.ts';

const schema = z.strictObject({ count: z.int() });
const nothing = { count: 0 };
const uid = 1000 as Uid;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'dockersh-test-'));
  await mkdir(path.join(folder, '1000'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe.each([true, false])('isLasting %s', (isLasting) => {
  const file = () =>
    new KeptFile({
      place: (of) => path.join(folder, String(of), 'f.json') as AbsolutePath,
      schema,
      nothing,
      isLasting,
    });

  test('changes are made one after the other, and seen by the next reader', async () => {
    const one = file();
    await Promise.all(
      Array.from({ length: 20 }, () => one.change(uid, ({ count }) => ({ count: count + 1 }))),
    );
    expect([one.read(uid), file().read(uid)]).toEqual([{ count: 20 }, { count: 20 }]);
    expect(await readdir(path.join(folder, '1000'))).toEqual(['f.json']);
  });

  test('nothing is written where nothing changes', async () => {
    const one = file();
    await one.change(uid, (same) => same);
    expect(await readdir(path.join(folder, '1000'))).toEqual([]);
  });

  test('what somebody else has put in its place is seen, and what is removed is gone', async () => {
    const one = file();
    await one.change(uid, () => ({ count: 1 }));
    await writeFile(path.join(folder, '1000/f.json'), '{"count":12345}');
    expect(one.read(uid)).toEqual({ count: 12345 });
    await writeFile(path.join(folder, '1000/f.json'), '{"count":1');
    expect(one.read(uid)).toEqual(nothing);
    await rm(path.join(folder, '1000'), { recursive: true });
    expect(one.read(uid)).toEqual(nothing);
    await expect(one.change(uid, () => ({ count: 2 }))).rejects.toThrow('ENOENT');
    expect(one.read(uid)).toEqual(nothing);
  });
});

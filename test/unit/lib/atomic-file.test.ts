// Tests of files that are replaced atomically.

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isAtomicTemporary, writeFileAtomic } from '../../../src/lib/atomic-file.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('replaces a file whole, with the mode asked for, and leaves nothing else', async () => {
  const file = path.join(folder, 'state.json');
  await writeFile(file, 'old content that is longer');
  await writeFileAtomic(file, 'new', 0o666);
  expect(await readFile(file, 'utf8')).toBe('new');
  expect((await stat(file)).mode & 0o777).toBe(0o666);
  expect(await readdir(folder)).toEqual(['state.json']);
});

test('a reader never sees half of it', async () => {
  const file = path.join(folder, 'state');
  const contents = ['a', 'b'].map((letter) => letter.repeat(300_000));
  await writeFileAtomic(file, contents[0] ?? '');
  let writing = true;
  const writer = (async () => {
    for (let i = 0; i < 20; i += 1) await writeFileAtomic(file, contents[i % 2] ?? '');
    writing = false;
  })();
  while (writing) expect(contents.includes(await readFile(file, 'utf8'))).toBe(true);
  await writer;
});

test('a failure leaves the folder as it was', async () => {
  // Renaming a file onto a folder that is not empty fails after the temporary file was written.
  const target = path.join(folder, 'sub');
  await writeFileAtomic(path.join(folder, 'x'), '');
  await expect(writeFileAtomic(path.join(target, 'deep/x'), 'text')).rejects.toMatchObject({
    code: 'ENOENT',
  });
  await expect(writeFileAtomic(folder, 'text')).rejects.toThrow();
  expect(await readdir(folder)).toEqual(['x']);
});

test('what a crash leaves behind is known by its name', () => {
  expect(isAtomicTemporary('.state.json.0123456789abcdef.tmp')).toBe(true);
  expect(isAtomicTemporary('state.json')).toBe(false);
  expect(isAtomicTemporary('.x.tmp')).toBe(false);
});

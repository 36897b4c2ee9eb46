// Tests of the file that is ready for the next recording.

import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { makeFile, removeLastSpare } from '../../../src/daemon/recordings/spare.ts';
import { type AbsolutePath, below, resolved } from '../../../src/lib/values/absolute-path.ts';

let folder: AbsolutePath;
beforeEach(async () => {
  folder = resolved(await mkdtemp(join(tmpdir(), 'dockersh-test-spare-')));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('makes a file, and a moment later has the next one ready, which nobody else may read', async () => {
  makeFile(folder, below(folder, 'first'));
  makeFile(folder, below(folder, 'second')); // before there is one
  expect(await readdir(folder)).toEqual(['first', 'second']);
  await vi.waitFor(async () => expect(await readdir(folder)).toContain('.next'), 5000);
  const { ino } = await stat(below(folder, '.next'));
  makeFile(folder, below(folder, 'third'));
  const third = await stat(below(folder, 'third'));
  expect([third.ino, third.mode & 0o777, third.size]).toEqual([ino, 0o600, 0]);
  expect(() => makeFile(folder, below(folder, 'second'))).toThrow('EEXIST');
});

it('removes the spare one with the last recording', async () => {
  await writeFile(below(folder, '.next'), '');
  await writeFile(below(folder, 'recording'), '');
  await removeLastSpare(folder);
  expect(await readdir(folder)).toEqual(['.next', 'recording']);
  await rm(below(folder, 'recording'));
  await removeLastSpare(folder);
  expect(await readdir(folder)).toEqual([]);
  await removeLastSpare(below(folder, 'nothing'));
});

// Tests of reading what may be missing.

import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exists, ifThere } from '../../../src/lib/if-there.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'dockersh-test-'));
  await symlink('nowhere', path.join(folder, 'dangling'));
});
afterAll(async () => await rm(folder, { recursive: true }));

test('what is missing is no failure, anything else is', async () => {
  expect(await ifThere(readFile(path.join(folder, 'missing')))).toBeUndefined();
  await expect(ifThere(readFile(folder))).rejects.toThrow('EISDIR');
});

test('a folder and a link that leads nowhere exist; a missing name, and one below a file, do not', async () => {
  expect(await exists(folder)).toBe(true);
  expect(await exists(path.join(folder, 'missing'))).toBe(false);
  expect(await exists(path.join(folder, 'dangling'))).toBe(true);
  expect(await exists(path.join(import.meta.filename, 'below'))).toBe(false);
});

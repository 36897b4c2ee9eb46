// Tests of the search for the disk that a folder is on.

import { statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diskOf } from '../../../src/isolation/disk.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** As stat(1) counts it: %Hd:%Ld. */
function device(): string {
  const dev = statSync(folder).dev;
  return `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
}

async function sysfs(partition: boolean): Promise<string> {
  const disk = path.join(folder, 'devices/disk');
  await mkdir(path.join(disk, 'part'), { recursive: true });
  await writeFile(path.join(disk, 'dev'), '8:16\n');
  if (partition) await writeFile(path.join(disk, 'part/partition'), '1\n');
  await mkdir(path.join(folder, 'block'));
  await symlink('../devices/disk/part', path.join(folder, 'block', device()));
  return path.join(folder, 'block');
}

test('a disk is itself, a partition is its disk', async () => {
  expect(diskOf(folder, await sysfs(false))).toBe(device().startsWith('0:') ? undefined : device());
  await rm(path.join(folder, 'block'), { recursive: true });
  await rm(path.join(folder, 'devices'), { recursive: true });
  expect(diskOf(folder, await sysfs(true))).toBe(device().startsWith('0:') ? undefined : '8:16');
});

test('what is on no disk has none', () => {
  expect(diskOf('/proc')).toBeUndefined();
  expect(diskOf(folder, path.join(folder, 'nothing'))).toBeUndefined();
});

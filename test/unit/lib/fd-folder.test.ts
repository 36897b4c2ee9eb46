// Tests of the search for the folder of descriptors.

import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { OwnedFd } from '../../../src/lib/fd.ts';
import { fdFolder, fdFolderOf } from '../../../src/lib/fds/fd-folder.ts';

test('a path leads through a descriptor only where that is a folder of ours, for as long as it is', () => {
  using fd = new OwnedFd(openSync('/', 'r'));
  {
    using folder = fdFolder(fd);
    expect(folder.path).toBe(`/proc/self/fd/${fd.borrow()}`);
    expect(fdFolderOf(folder.path)).toEqual({ fd, rest: '' });
    expect(fdFolderOf(`${folder.path}/layer/upper`)).toEqual({ fd, rest: '/layer/upper' });
    for (const other of [`${folder.path}0`, `/x${folder.path}`, '/', ''])
      expect(fdFolderOf(other), other).toBeUndefined();
    const unknown = openSync('/', 'r');
    expect(fdFolderOf(`/proc/self/fd/${unknown}/etc`)).toBeUndefined();
    closeSync(unknown);
  }
  expect(fdFolderOf(`/proc/self/fd/${fd.borrow()}`)).toBeUndefined();
});

test('of two, each path finds its own', () => {
  using one = new OwnedFd(openSync('/', 'r'));
  using other = new OwnedFd(openSync('/', 'r'));
  using first = fdFolder(one);
  using second = fdFolder(other);
  expect(fdFolderOf(`${first.path}/a`)?.fd).toBe(one);
  expect(fdFolderOf(`${second.path}/a`)?.fd).toBe(other);
});

// Reads tmpfiles.d(5) for folders below /run that everybody may write in.

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { runFoldersOf, worldWritable } from '../../../src/images/run-folders.ts';

test.each([
  ['d /run/screen 1777 root utmp', ['screen']],
  ['D! /var/run/a/b 0777 - - -', ['a/b']],
  ['d "/run/uscreens" ~1777 root root', ['uscreens']],
  ['d /run/sudo 0711 root root', []],
  ['d /run/lock 0755 root root', []],
  ['d /run/a/../../etc 1777', []],
  ['d /tmp/x 1777', []],
  ['L /run/x - - - - /etc', []],
  ['f /run/x 1777', []],
  ['# d /run/x 1777', []],
  ['d /run/a/b/c/d 1777', []],
  ['d /run/x', []],
])('%s', (text, folders) => {
  expect(worldWritable(`\n${text}\n`)).toEqual(folders);
});

test('of an image: the first file of a name counts, and no link leads out of it', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'dockersh-test-'));
  try {
    for (const name of ['top/etc/tmpfiles.d', 'below/usr/lib/tmpfiles.d', 'below/usr/local/lib', 'outside'])
      await mkdir(path.join(folder, name), { recursive: true });
    await writeFile(path.join(folder, 'top/etc/tmpfiles.d/a.conf'), 'd /run/own 1777\n');
    await writeFile(path.join(folder, 'below/usr/lib/tmpfiles.d/a.conf'), 'd /run/hidden 1777\n');
    await writeFile(
      path.join(folder, 'below/usr/lib/tmpfiles.d/b.conf'),
      'd /run/other 1777\n d /run/c 755\n',
    );
    await writeFile(path.join(folder, 'outside/z.conf'), 'd /run/outside 1777\n');
    await symlink(path.join(folder, 'outside'), path.join(folder, 'below/usr/local/lib/tmpfiles.d'));
    await symlink('/dev/null', path.join(folder, 'below/usr/lib/tmpfiles.d/null.conf'));
    await symlink(path.join(folder, 'outside/z.conf'), path.join(folder, 'below/usr/lib/tmpfiles.d/z.conf'));
    const layers = ['top', 'below'].map((name) => ({ path: path.join(folder, name), idmapped: true }));
    expect(await runFoldersOf({ layers, binds: [], digest: `sha256:${folder}` })).toEqual([
      'screen',
      'own',
      'other',
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

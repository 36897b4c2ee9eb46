// Tests of finding a file in the layers of an image.

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hasFile } from '../../../src/images/layers/find.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'dockersh-unit-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** Files by their paths; "-> TARGET" makes a link, "/" at the end a folder. */
async function layer(name: string, files: Record<string, string>): Promise<string> {
  const top = path.join(folder, name);
  await mkdir(top);
  for (const [file, content] of Object.entries(files)) {
    const whole = path.join(top, file);
    await mkdir(file.endsWith('/') ? whole : path.dirname(whole), { recursive: true });
    if (content.startsWith('-> ')) await symlink(content.slice(3), whole);
    else if (!file.endsWith('/')) await writeFile(whole, content);
  }
  return top;
}

test('a file is found in whichever layer it is', async () => {
  const layers = [
    await layer('a', { 'usr/lib/x': '' }),
    await layer('b', { 'usr/bin/sh': '', bin: '-> usr/bin' }),
  ];
  expect(await hasFile(layers, '/usr/bin/sh')).toBe(true);
  expect(await hasFile(layers, '/bin/sh')).toBe(true);
  expect(await hasFile(layers, '/usr/lib/x')).toBe(true);
  for (const missing of ['/bin/bash', '/usr/lib/x/y', '/lib/x'])
    expect([missing, await hasFile(layers, missing)]).toEqual([missing, false]);
  expect(await hasFile([], '/bin/sh')).toBe(false);
});

test('what an upper layer has in the place of a folder hides what is below it', async () => {
  const below = await layer('below', { 'bin/sh': '' });
  expect(await hasFile([await layer('file', { bin: '' }), below], '/bin/sh')).toBe(false);
  expect(await hasFile([await layer('link', { bin: '-> nowhere' }), below], '/bin/sh')).toBe(false);
  expect(
    await hasFile(
      [await layer('merged', { 'bin/x': '' }), await layer('hides', { bin: '' }), below],
      '/bin/sh',
    ),
  ).toBe(false);
});

test('links lead nowhere but inside, and not for ever', async () => {
  const host = path.join(folder, 'host');
  await mkdir(host);
  await writeFile(path.join(host, 'sh'), '');
  const layers = [
    await layer('a', {
      out: `-> ${host}`,
      up: '-> ../../../../bin',
      'bin/sh': '-> /bin/busy',
      'bin/busy': '',
      loop: '-> loop',
    }),
    await layer('b', { 'etc/x': '', bin: `-> ${host}` }),
  ];
  expect(await hasFile(layers, '/out/sh')).toBe(false);
  expect(await hasFile(layers, '/up/sh')).toBe(true);
  expect(await hasFile(layers, '/bin/sh')).toBe(true);
  expect(await hasFile(layers, '/loop/sh')).toBe(false);
});

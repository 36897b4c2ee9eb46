// Layers that are odd and valid: devices in the place of files, and files that are holes for the most part; and a store
// whose last owner is a zombie.

import { appendFileSync, readFileSync } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { listTree } from '../../fixtures/images/tree-listing.ts';
import { Running, waitUntil } from '../../fixtures/process.ts';
import { builtImage, builtLayer, writeLayout } from './image-builder.ts';
import { mountImage } from './mounted.ts';
import { buildLayerProgram, Scratch } from './scratch.ts';
import { type TarEntry, tar } from './tar-builder.ts';

let scratch: Scratch;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
});

const device = (name: string, type: string): TarEntry => ({ name, type, mode: 0o666 });

it('a device hides what it takes the place of, and is not there itself', async () => {
  await using store = await scratch.openStore();
  const layers = [
    tar(
      device('first', '3'),
      { name: 'kept', data: 'kept' },
      { name: 'file', data: 'below' },
      { name: 'folder/', type: '5', mode: 0o755 },
      { name: 'folder/inside', data: 'below' },
      { name: 'again', data: 'below' },
    ),
    tar(
      device('file', '3'),
      device('folder', '4'),
      { name: 'again', data: 'of this layer' },
      device('again', '3'),
      device('back', '3'),
      { name: 'back', data: 'the last word' },
    ),
  ];
  const image = builtImage(layers.map((layer) => builtLayer(layer)));
  await store.importImage('devices', await writeLayout(scratch.path('layout'), image));
  {
    await using mounted = await mountImage(scratch, store, 'devices');
    const names = listTree(mounted.root)
      .slice(1)
      .map((line) => line.split(/[: ]/, 1)[0]);
    expect(names.map((name) => name?.replace(/^\.?\//, ''))).toEqual(['back', 'kept']);
    expect(readFileSync(`${mounted.root}/back`, 'utf8')).toBe('the last word');
  }
  expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
});

const size = 2 * 1024 ** 3;
/** Two GiB of nothing, with a word at either end. */
const holes: TarEntry = {
  name: 'GNUSparseFile.0/holes',
  data: Buffer.concat([Buffer.from(`2\n0\n5\n${size - 4}\n4\n`.padEnd(512, '\0')), Buffer.from('starttail')]),
  pax: {
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': 'holes',
    'GNU.sparse.realsize': String(size),
  },
};

it('what is verified of a file is what is in it, and not its holes', async () => {
  await using store = await scratch.openStore();
  const image = builtImage([builtLayer(tar(holes, { name: 'zeros', data: Buffer.alloc(1 << 20) }))]);
  await store.importImage('holes', await writeLayout(scratch.path('layout'), image));
  const whole = await store.verify({ layers: true });
  expect(whole.problems).toEqual([]);
  expect(whole.bytes).toBeLessThan(1 << 20);
  const [layer] = (await store.resolve('holes'))?.layers ?? [];
  for (const [place, damage] of [
    [size / 2, 'x'],
    [size - 1, 'y'],
  ] as const) {
    await using file = await open(`${layer?.path}/holes`, 'r+');
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, place);
    await file.write(damage, place);
    expect((await store.verify({ layers: true })).problems).toMatchObject([{ kind: 'layer' }]);
    await file.write(buffer, 0, 1, place);
  }
  appendFileSync(`${layer?.path}/holes`, '\0');
  expect((await store.verify({ layers: true })).problems).toMatchObject([{ kind: 'layer' }]);
});

it('a store is not held by a zombie', async () => {
  const parent = new Running('python3', [
    '-c',
    'import os,time\npid = os.fork()\nif pid == 0: os._exit(0)\nprint(pid, flush=True)\ntime.sleep(60)',
  ]);
  try {
    await waitUntil(
      () => /^\d+\n/.test(parent.stdout.toString()),
      'a zombie',
      10_000,
      () => '',
    );
    const pid = parent.stdout.toString().trim();
    const state = (): string[] =>
      readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    await waitUntil(
      () => state()[0] === 'Z',
      'a zombie',
      10_000,
      () => '',
    );
    await mkdir(scratch.path('store'));
    await writeFile(scratch.path('store/lock'), `${pid} ${state()[19]} 0123456789abcdef\n`);
    await using store = await scratch.openStore();
    expect((await store.list()).map(({ name }) => name)).toEqual(['host']);
  } finally {
    await parent[Symbol.asyncDispose]();
  }
});

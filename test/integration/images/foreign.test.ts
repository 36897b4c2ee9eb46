// Images to and from the programs of others: umoci, skopeo, podman. Compared file by file.

import { execFileSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ImageStore } from '../../../src/images/store/image-store.ts';
import { listTree } from '../../fixtures/images/tree-listing.ts';
import { lacks } from '../../fixtures/machine.ts';
import { builtImage, builtLayer, dockerArchive, tenLayers, writeLayout } from './image-builder.ts';
import { mountImage } from './mounted.ts';
import { buildLayerProgram, Scratch } from './scratch.ts';
import { tar } from './tar-builder.ts';

let scratch: Scratch;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
});

/** Without the root itself: that is the sandbox's own. */
async function seen(store: ImageStore, name: string): Promise<string[]> {
  await using mounted = await mountImage(scratch, store, name);
  return listTree(mounted.root).slice(1);
}

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const podman = (...args: readonly string[]): string =>
  run(
    'podman',
    '--root',
    scratch.path('podman'),
    '--runroot',
    scratch.path('podman-run'),
    '--storage-driver',
    'vfs',
    ...args,
  );

async function exported(
  store: ImageStore,
  name: string,
  options: Parameters<ImageStore['exportImage']>[1],
): Promise<string> {
  const file = scratch.path(`export-${performance.now()}.tar`);
  const { stream, sizeBytes } = await store.exportImage(name, options);
  const sink = createWriteStream(file);
  await pipeline(stream, sink);
  expect(sink.bytesWritten).toBe(sizeBytes);
  return file;
}

describe.skipIf(lacks('umoci'))('ten layers with every feature', () => {
  it('become what umoci makes of them, whatever they are compressed with', async () => {
    await using store = await scratch.openStore();
    const layers = tenLayers('all');
    const layout = await writeLayout(
      scratch.path('layout'),
      builtImage(layers.map((layer) => builtLayer(layer))),
    );
    run('umoci', 'unpack', '--keep-dirlinks', '--image', `${layout}:test`, scratch.path('bundle'));
    const theirs = listTree(scratch.path('bundle/rootfs')).slice(1);
    expect(theirs.length).toBeGreaterThan(35);
    for (const compression of ['gzip', 'zstd', 'none'] as const) {
      const image = builtImage(layers.map((layer) => builtLayer(layer, compression)));
      const folder = await writeLayout(scratch.path(compression), image);
      await store.importImage(compression, folder);
      expect(await seen(store, compression), compression).toEqual(theirs);
      expect((await store.resolve(compression))?.digest).toBe(image.manifest.digest);
    }
    expect(await store.verify({ layers: true })).toMatchObject({ layers: 10, problems: [] });
  });

  it('stay the same through every form of archive', async () => {
    await using store = await scratch.openStore();
    const layers = tenLayers('all');
    const archive = dockerArchive([...layers, layers[1] ?? Buffer.alloc(0)], ['lab/ten:1']);
    for (const [name, bytes] of Object.entries({
      plain: archive,
      gzip: gzipSync(archive),
      zstd: zstdCompressSync(archive),
    })) {
      await writeFile(scratch.path(name), bytes);
      const [result] = await store.importImage(name === 'plain' ? undefined : name, scratch.path(name));
      expect(result).toMatchObject({ name: name === 'plain' ? 'lab/ten:1' : `${name}:latest` });
    }
    const before = await seen(store, 'lab/ten:1');
    for (const options of [
      { format: 'oci' },
      { format: 'oci', compression: 'gzip' },
      { format: 'oci', compression: 'zstd' },
      { format: 'oci', compression: 'none' },
      { format: 'docker' },
    ] as const) {
      const file = await exported(store, 'lab/ten:1', options);
      await using other = await scratch.openStore(
        {},
        `other-${options.format}-${'compression' in options ? options.compression : ''}`,
      );
      expect(await other.importImage(undefined, file)).toMatchObject([{ name: 'lab/ten:1' }]);
      expect(await seen(other, 'lab/ten:1')).toEqual(before);
      expect((await other.resolve('lab/ten:1'))?.configDigest).toBe(
        (await store.resolve('lab/ten:1'))?.configDigest,
      );
      expect(await other.verify({ layers: true })).toMatchObject({ problems: [] });
    }
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
  }, 180_000);
});

describe.skipIf(lacks('skopeo', 'podman', 'umoci'))('what is exported', () => {
  it('is taken by skopeo and podman, and comes back the same', async () => {
    await using store = await scratch.openStore();
    const layers = tenLayers('portable').map((layer) => builtLayer(layer));
    await store.importImage('ten:1', await writeLayout(scratch.path('layout'), builtImage(layers)));
    const before = await seen(store, 'ten:1');
    const oci = await exported(store, 'ten:1', { format: 'oci' });
    const docker = await exported(store, 'ten:1', { format: 'docker' });
    run('skopeo', 'copy', '--quiet', `oci-archive:${oci}`, `oci:${scratch.path('copied')}:x`);
    await store.importImage('skopeo', scratch.path('copied'));
    expect((await store.resolve('skopeo'))?.digest).toBe((await store.resolve('ten:1'))?.digest);
    run(
      'skopeo',
      'copy',
      '--quiet',
      `docker-archive:${docker}`,
      `docker-archive:${scratch.path('copied.tar')}:ten:2`,
    );
    await store.importImage(undefined, scratch.path('copied.tar'));
    expect(await seen(store, 'docker.io/library/ten:2')).toEqual(before);
    for (const [name, file] of Object.entries({ oci, docker })) {
      expect(podman('load', '--quiet', '--input', file)).toContain('ten:1');
      for (const format of ['oci-archive', 'docker-archive']) {
        const back = scratch.path(`${name}-${format}.tar`);
        podman('save', '--quiet', '--format', format, '--output', back, 'ten:1');
        await store.importImage('podman', back);
        expect(await seen(store, 'podman')).toEqual(before);
      }
    }
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
  });
});

describe('a configuration with nothing in it but nulls', () => {
  it.each([
    [
      'author, time and history',
      { author: null, created: null, history: [{ created: null, comment: null }] },
    ],
    ['a label', { config: { Labels: { empty: null }, Env: null, User: null } }],
    ['no operating system and no type', { os: undefined, rootfs: undefined }],
  ])('is taken as podman takes it: %s', async (_what, config) => {
    await using store = await scratch.openStore();
    const layer = builtLayer(tar({ name: 'f' }));
    const rootfs = { diff_ids: [layer.diffId] };
    const image = builtImage([layer], { config: 'rootfs' in config ? { ...config, rootfs } : config });
    await store.importImage('nulls', await writeLayout(scratch.path('layout'), image));
    expect(await store.inspect('nulls')).toMatchObject({ os: 'linux', createdAt: null, author: null });
    expect(await store.history('nulls')).toMatchObject([{ createdAt: null, author: '', comment: '' }]);
    expect(await store.resolve('nulls')).toMatchObject({ config: { env: [] } });
    expect((await store.list()).map(({ name }) => name)).toContain('nulls:latest');
  });
});

it('a layer need not have the two blocks at its end, nor anything else', async () => {
  await using store = await scratch.openStore();
  const whole = tar({ name: 'f', data: 'x' });
  const layers = [
    builtLayer(whole.subarray(0, -1024)),
    builtLayer(Buffer.alloc(0)),
    builtLayer(whole, 'zstd'),
  ];
  await store.importImage('open', await writeLayout(scratch.path('layout'), builtImage(layers)));
  expect((await store.inspect('open')).layers.map(({ files }) => files)).toEqual([1, 0, 1]);
  // Nothing says whether one that has no digest is whole.
  await writeFile(scratch.path('cut.tar'), whole.subarray(0, -1024));
  await expect(store.importRootfs('cut', scratch.path('cut.tar'))).rejects.toThrow('ends too early');
});

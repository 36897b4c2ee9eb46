// The image store on a real disk: imports, sharing, crashes, removal, damage.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkout, nodeProgram } from '../../fixtures/paths.ts';
import { buildLayerProgram, layer, layerProgram, Scratch, visibleNames } from './scratch.ts';
import { tar } from './tar-builder.ts';

let scratch: Scratch;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
});

const rootfs = tar(
  { name: 'etc/', type: '5', mode: 0o755 },
  { name: 'etc/passwd', data: 'root:x:0:0::/root:/bin/sh\n' },
  { name: 'etc/group', data: 'root:x:0:\n' },
  { name: 'bin/sh', data: '#!', mode: 0o755 },
);

async function file(name: string, data: Uint8Array): Promise<string> {
  await writeFile(scratch.path(name), data);
  return scratch.path(name);
}

/** A tar of many files, for what has to be caught in the middle. */
function bigTar(megabytes: number): Buffer {
  const data = Buffer.alloc(1 << 20, 'some text that compresses. ');
  return tar(...Array.from({ length: megabytes }, (_, index) => ({ name: `dir/file${index}`, data })));
}

describe('import', () => {
  it('takes plain, gzip and zstd tars, whatever they are called, and shares their one layer', async () => {
    await using store = await scratch.openStore();
    const inputs = [
      await file('plain.gz', rootfs),
      await file('gzip', gzipSync(rootfs)),
      await file(
        'members',
        Buffer.concat([gzipSync(rootfs.subarray(0, 700)), gzipSync(rootfs.subarray(700))]),
      ),
      await file('zstd', zstdCompressSync(rootfs)),
    ];
    for (const [index, path] of inputs.entries()) {
      const result = await store.importRootfs(`test:v${index}`, path);
      expect(result).toMatchObject({ name: `test:v${index}`, sizeBytes: rootfs.length, files: 5 });
    }
    const images = await Promise.all([0, 1, 2, 3].map((index) => store.resolve(`test:v${index}`)));
    expect(new Set(images.map((image) => image?.layers[0]?.path)).size).toBe(1);
    const hex = createHash('sha256').update(rootfs).digest('hex');
    expect(await readdir(scratch.path('store/layers/sha256'))).toEqual([hex]);
    expect(images[0]).toMatchObject({
      name: 'test:v0',
      layers: [{ path: scratch.path('store/layers/sha256', hex, 'tree'), idmapped: true }],
      binds: [],
      config: { env: [], labels: {} },
      passwd: 'root:x:0:0::/root:/bin/sh\n',
      group: 'root:x:0:\n',
    });
    expect(await readdir(scratch.path('store/tmp'))).toEqual([]);
  });

  it('gives a folder and the tar packed from it one diffID, every time', async () => {
    await using store = await scratch.openStore();
    await mkdir(scratch.path('source/etc'), { recursive: true });
    await writeFile(scratch.path('source/etc/passwd'), 'x');
    await store.importRootfs('folder', scratch.path('source'));
    await store.importRootfs('folder-again', scratch.path('source'));
    await store.importRootfs(
      'packed',
      await file('packed', (await layer(['pack', scratch.path('source')])).stdout),
    );
    const paths = await Promise.all(
      ['folder', 'folder-again', 'packed'].map(async (name) => (await store.resolve(name))?.layers[0]?.path),
    );
    expect(new Set(paths).size).toBe(1);
    // And it can be packed again from what is in the store.
    const packed = await layer(['pack', paths[0] ?? '']);
    expect(paths[0]).toContain(createHash('sha256').update(packed.stdout).digest('hex'));
  });

  it('runs several at once', async () => {
    await using store = await scratch.openStore();
    const same = await file('same', bigTar(4));
    const other = await file('other', rootfs);
    await Promise.all([
      ...Array.from({ length: 5 }, (_, index) => store.importRootfs(`same:${index}`, same)),
      store.importRootfs('other', other),
    ]);
    expect((await store.list()).map((image) => image.name)).toEqual([
      'host',
      'other:latest',
      ...Array.from({ length: 5 }, (_, index) => `same:${index}`),
    ]);
    expect(await readdir(scratch.path('store/layers/sha256'))).toHaveLength(2);
    expect(await readdir(scratch.path('store/tmp'))).toEqual([]);
  });

  it('reports progress', async () => {
    await using store = await scratch.openStore();
    const path = await file('rootfs.tar', rootfs);
    const seen: unknown[] = [];
    await store.importRootfs('test', path, { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toEqual({ step: 'unpacking', bytes: rootfs.length, totalBytes: rootfs.length });
  });

  it('leaves nothing behind when it is refused, and says why', async () => {
    await using store = await scratch.openStore();
    await store.importRootfs('kept', await file('good', rootfs));
    const before = await visibleNames(scratch.path('store'));
    const gzip = gzipSync(bigTar(2));
    const damaged = Buffer.from(gzip);
    damaged.fill(0xff, 500, 600);
    await mkdir(scratch.path('wh'));
    await writeFile(scratch.path('wh/.wh.x'), '');
    await symlink('/etc/passwd', scratch.path('link-loop'));
    const cases: readonly (readonly [string, string, object])[] = [
      [
        'evil',
        await file('evil', tar({ name: '../x' })),
        {
          code: 'E_ARCHIVE_REFUSED',
          message: expect.stringContaining("entry '../x' at offset 0: the path leads out by '..'"),
        },
      ],
      [
        'cut',
        await file('cut', gzip.subarray(0, gzip.length / 2)),
        { code: 'E_IMAGE_BROKEN', message: expect.stringContaining('ends too early') },
      ],
      ['damaged', await file('damaged', damaged), { code: 'E_IMAGE_BROKEN' }],
      [
        'short',
        await file('short', rootfs.subarray(0, 1500)),
        { code: 'E_IMAGE_BROKEN', message: expect.stringContaining('ends too early') },
      ],
      [
        'xz',
        await file('xz', Buffer.from('fd377a585a000000', 'hex')),
        { code: 'E_USAGE', hint: expect.stringContaining('xz -dk') },
      ],
      [
        'bz',
        await file('bz', Buffer.from('BZh91AY')),
        { code: 'E_USAGE', hint: expect.stringContaining('bzip2 -dk') },
      ],
      ['text', await file('text', Buffer.from('hello')), { code: 'E_IMAGE_BROKEN' }],
      ['missing', scratch.path('missing'), { code: 'E_NOT_FOUND' }],
      ['wh', scratch.path('wh'), { code: 'E_ARCHIVE_REFUSED', message: expect.stringContaining("'.wh.x'") }],
      ['root', '/', { code: 'E_USAGE' }],
      ['device', '/dev/null', { code: 'E_USAGE' }],
      ['host', scratch.path('good'), { code: 'E_USAGE', message: expect.stringContaining('reserved') }],
      ['Bad Name', scratch.path('good'), { code: 'E_USAGE' }],
    ];
    for (const [name, path, error] of cases) {
      await expect(store.importRootfs(name, path), name).rejects.toMatchObject(error);
      expect(await visibleNames(scratch.path('store')), name).toEqual(before);
    }
  });

  it('stops at a decompression bomb', async () => {
    await using store = await scratch.openStore({ limits: { maxBytes: 1 << 20 } });
    const bomb = gzipSync(tar({ name: 'zeros', data: Buffer.alloc(64 << 20) }));
    const started = performance.now();
    await expect(store.importRootfs('bomb', await file('bomb', bomb))).rejects.toMatchObject({
      code: 'E_ARCHIVE_REFUSED',
      message: expect.stringContaining("entry 'zeros' at offset 0: the archive is larger than the limit"),
    });
    expect(performance.now() - started).toBeLessThan(5000);
    expect(await readdir(scratch.path('store/tmp'))).toEqual([]);
  });

  it('stops when it is told to', async () => {
    await using store = await scratch.openStore();
    const path = await file('big', bigTar(64));
    const before = await visibleNames(scratch.path('store'));
    const abort = new AbortController();
    const onProgress = () => abort.abort();
    await expect(store.importRootfs('big', path, { signal: AbortSignal.timeout(30) })).rejects.toThrow();
    await expect(store.importRootfs('big', path, { signal: abort.signal, onProgress })).rejects.toThrow();
    // Layers that were whole by then are garbage like any other.
    await store.collectGarbage();
    expect(await visibleNames(scratch.path('store'))).toEqual(before);
  });
});

describe('names', () => {
  it('move to what was imported last, and take what is unused with them', async () => {
    await using store = await scratch.openStore();
    await store.importRootfs('test', await file('one', rootfs));
    const first = await store.resolve('test');
    await store.importRootfs('test:latest', await file('two', tar({ name: 'f' })));
    const second = await store.resolve('test');
    expect(second?.digest).not.toBe(first?.digest);
    expect(second?.passwd).toBeUndefined();
    expect(await store.resolve(`test@${second?.digest}`)).toMatchObject({ digest: second?.digest });
    expect(await readdir(scratch.path('store/layers/sha256'))).toHaveLength(1);
    expect(await readdir(scratch.path('store/blobs/sha256'))).toHaveLength(3);
    expect(await store.resolve('other')).toBeUndefined();
    expect(await store.resolve('Not A Name')).toBeUndefined();
  });

  it('go away by remove, layers only when no name and no sandbox needs them', async () => {
    const inUse = new Set<string>();
    await using store = await scratch.openStore({ inUse: () => inUse });
    const path = await file('rootfs', rootfs);
    await store.importRootfs('one', path);
    await store.importRootfs('two', path);
    const tree = (await store.resolve('one'))?.layers[0]?.path ?? '';
    expect(await store.remove('one')).toEqual({ name: 'one:latest', removed: true });
    expect(await store.resolve('one')).toBeUndefined();
    expect(existsSync(tree)).toBe(true);
    inUse.add(tree);
    await store.remove('two');
    expect(existsSync(tree)).toBe(true);
    // Its blob has gone, and no image lacks it.
    expect(await store.verify({ layers: true })).toMatchObject({ layers: 1, problems: [] });
    inUse.clear();
    await store.collectGarbage();
    expect(existsSync(tree)).toBe(false);
    expect(await visibleNames(scratch.path('store'))).toMatchObject({ layers: [], blobs: [], tmp: [] });
    await expect(store.remove('one')).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    await expect(store.remove('host')).rejects.toMatchObject({ code: 'E_USAGE' });
  });
});

describe('a store', () => {
  it('is readable by root alone, and open in one process at a time', async () => {
    await mkdir(scratch.path('store'), { mode: 0o755 });
    await using first = await scratch.openStore();
    expect((await stat(scratch.path('store'))).mode & 0o7777).toBe(0o700);
    await expect(scratch.openStore()).rejects.toMatchObject({ code: 'E_BUSY' });
    await first[Symbol.asyncDispose]();
    await using again = await scratch.openStore();
    expect(await again.list()).toHaveLength(1);
  });

  it('takes over the lock of a process that is gone', async () => {
    await mkdir(scratch.path('store'));
    const gone = spawnSync('sh', ['-c', 'echo $$']).stdout.toString().trim();
    // The pid of a running process, but another start time: that number was given to somebody else.
    for (const owner of [`${gone} 12345 x\n`, `${process.ppid} 1 x\n`, 'not a lock\n']) {
      await writeFile(scratch.path('store/lock'), owner);
      await using store = await scratch.openStore();
      expect(await store.list()).toHaveLength(1);
    }
    expect((await readdir(scratch.path('store'))).filter((name) => name.startsWith('lock'))).toEqual([]);
  });

  it('is an OCI image layout', async () => {
    await using store = await scratch.openStore();
    await store.importRootfs('lab/base:1', await file('rootfs', rootfs));
    const json = async (...names: string[]) =>
      JSON.parse(await readFile(scratch.path('store', ...names), 'utf8')) as Record<string, never>;
    expect(await json('oci-layout')).toEqual({ imageLayoutVersion: '1.0.0' });
    const index = await json('index.json');
    const [entry] = index['manifests'] as unknown as { digest: string; size: number; annotations: object }[];
    expect(entry?.annotations).toEqual({ 'org.opencontainers.image.ref.name': 'lab/base:1' });
    const blob = scratch.path('store/blobs/sha256', entry?.digest.slice(7) ?? '');
    expect((await stat(blob)).size).toBe(entry?.size);
    expect(
      `sha256:${createHash('sha256')
        .update(await readFile(blob))
        .digest('hex')}`,
    ).toBe(entry?.digest);
  });

  it('names what is missing or has changed in a damaged image, and lets it be removed', async () => {
    await using store = await scratch.openStore();
    await store.importRootfs('test', await file('rootfs', rootfs));
    const digest = (await store.resolve('test'))?.digest ?? '';
    const blob = scratch.path('store/blobs/sha256', digest.slice(7));
    const original = await readFile(blob);
    await store[Symbol.asyncDispose]();
    await using again = await scratch.openStore();
    await writeFile(blob, original.toString().replace('amd64', 'arm64').replace('{', '{ '));
    await expect(again.resolve('test')).rejects.toMatchObject({
      code: 'E_IMAGE_BROKEN',
      message: `blob ${digest}: its content has changed: the digest does not match`,
    });
    expect(await again.list()).toMatchObject([{ name: 'host' }, { name: 'test:latest', sizeBytes: null }]);
    await writeFile(blob, original);
    expect(await again.resolve('test')).toBeDefined();
    await writeFile(blob, 'x');
    expect(await again.remove('test')).toMatchObject({ removed: true });
    expect(await again.list()).toHaveLength(1);
  });

  it.each(['manifest', 'configuration'] as const)(
    'removes nothing while the %s of an image is damaged: what it needs cannot be told',
    async (document) => {
      await using store = await scratch.openStore();
      await store.importRootfs('precious:1', await file('rootfs', rootfs));
      await store.importRootfs('useless', await file('other', tar({ name: 'other', data: 'other' })));
      const { digest = '', layers = [] } = (await store.resolve('precious:1')) ?? {};
      const manifest = JSON.parse(
        await readFile(scratch.path('store/blobs/sha256', digest.slice(7)), 'utf8'),
      ) as { config: { digest: string } };
      const damaged = document === 'manifest' ? digest : manifest.config.digest;
      const blob = scratch.path('store/blobs/sha256', damaged.slice(7));
      const original = await readFile(blob);
      await writeFile(
        blob,
        original.map((byte, index) => (index === 20 ? byte ^ 1 : byte)),
      );
      await store.remove('useless');
      expect(await store.collectGarbage()).toEqual({
        blobs: 0,
        layers: 0,
        bytes: 0,
        damaged: ['precious:1'],
      });
      await rm(blob);
      expect(await store.collectGarbage()).toMatchObject({ layers: 0, damaged: ['precious:1'] });
      await writeFile(blob, original, { mode: 0o600 });
      expect((await store.resolve('precious:1'))?.layers).toEqual(layers);
      expect(existsSync(layers[0]?.path ?? '')).toBe(true);
      expect(await store.collectGarbage()).toMatchObject({ layers: 1, damaged: [] });
      expect(await store.verify()).toMatchObject({ images: 1, problems: [] });
    },
  );

  it('does not follow links that an image puts where its accounts should be', async () => {
    await using store = await scratch.openStore();
    const evil = { name: 'etc/passwd', type: '2', link: '/etc/shadow' };
    await store.importRootfs('file', await file('a', tar(evil)));
    await store.importRootfs('folder', await file('b', tar({ name: 'etc', type: '2', link: '/etc' })));
    await store.importRootfs('pipe', await file('c', tar({ name: 'etc/passwd', type: '6' })));
    for (const name of ['file', 'folder', 'pipe']) {
      expect((await store.resolve(name))?.passwd, name).toBeUndefined();
    }
  });

  it('answers from memory while nothing changes', async () => {
    await using store = await scratch.openStore();
    await store.importRootfs('test', await file('rootfs', rootfs));
    for (const name of ['test', 'host']) {
      await store.resolve(name);
      const before = process.cpuUsage();
      for (let round = 0; round < 1000; round += 1) await store.resolve(name);
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1000, name).toBeLessThan(200); // microseconds each
    }
  });
});

describe('SIGKILL', () => {
  const importer = `
    import { openImageStore } from '${checkout}/src/images/store/image-store.ts';
    const store = await openImageStore(process.argv[1], { layerProgram: '${layerProgram}' });
    process.stdout.write('open');
    for (let round = 0; ; round += 1) {
      await store.importRootfs('test:' + (round % 2), process.argv[2 + (round % 2)]);
      if (round % 3 === 2) await store.remove('test:1');
    }`;

  function start(...paths: readonly string[]): ChildProcess {
    return spawn(nodeProgram, ['--input-type=module', '-e', importer, scratch.path('store'), ...paths], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  it('at any moment leaves a store that is whole, with nothing half made', async () => {
    const paths = [await file('one', bigTar(3)), await file('two', rootfs)];
    {
      await using store = await scratch.openStore();
      await store.importRootfs('kept', paths[1] ?? '');
    }
    for (let round = 0; round < 10; round += 1) {
      const child = start(...paths);
      const { promise: opened, resolve } = Promise.withResolvers<void>();
      child.stdout?.once('data', () => resolve());
      await opened;
      await sleep(Math.random() * 150);
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      child.once('close', () => end());
      child.kill('SIGKILL');
      await ended;
      await using store = await scratch.openStore();
      expect(await readdir(scratch.path('store/tmp'))).toEqual([]);
      const files: Readonly<Record<string, number>> = { 'kept:latest': 5, 'test:0': 4, 'test:1': 5 };
      for (const { name, virtual } of await store.list()) {
        if (virtual) continue;
        const tree = (await store.resolve(name))?.layers[0]?.path ?? '';
        expect(await readdir(tree, { recursive: true }), name).toHaveLength(files[name] ?? -1);
      }
      expect(await store.resolve('kept')).toMatchObject({ passwd: 'root:x:0:0::/root:/bin/sh\n' });
    }
  });

  it('of the process that unpacks is an error like any other', async () => {
    await using store = await scratch.openStore();
    const path = await file('big', bigTar(64));
    const done = store.importRootfs('big', path);
    done.catch(() => undefined);
    let killed = false;
    while (!killed) {
      await sleep(5);
      const found = spawnSync('pgrep', ['-f', `${layerProgram} unpack ${scratch.path('store')}`]);
      for (const pid of found.stdout.toString().split('\n').filter(Boolean)) {
        process.kill(Number(pid), 'SIGKILL');
        killed = true;
        break;
      }
    }
    await expect(done).rejects.toMatchObject({ code: 'E_INTERNAL' });
    expect(await readdir(scratch.path('store/tmp'))).toEqual([]);
  });
});

// Pulls into a real store from registries that lie: refused by name, and the store stays as it was. And pulls
// that are broken off: what has arrived is used by the next one.

import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type PullOptions, pullImage } from '../../../src/images/registry/pull.ts';
import { failure, quick, type Seen, Server, send } from '../../unit/registry/server.ts';
import { type BuiltImage, builtImage, builtLayer, digestOf } from '../images/image-builder.ts';
import { buildLayerProgram, Scratch, visibleNames } from '../images/scratch.ts';
import { tar } from '../images/tar-builder.ts';

let scratch: Scratch;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
});

const base = builtLayer(tar({ name: 'etc/', type: '5' }, { name: 'etc/passwd', data: '' }));
const big = builtLayer(tar({ name: 'big', data: randomBytes(2 << 20) }));
const good = builtImage([base, big]);

/** Serves an image; `instead` may answer in its place by returning true. */
function serve(image: BuiltImage, instead: (seen: Seen, response: ServerResponse) => boolean = () => false) {
  return Server.start((seen, response) => {
    if (instead(seen, response)) return undefined;
    const [kind, reference = ''] = seen.url.split('/').slice(-2);
    if (seen.url === '/v2/') return send(response, 200);
    const digest = reference === 'latest' ? image.manifest.digest : reference;
    const bytes = image.blobs.get(digest as typeof image.manifest.digest);
    if (bytes === undefined) return send(response, 404);
    const type = kind === 'manifests' ? image.manifest.mediaType : 'application/octet-stream';
    const start = Number(/^bytes=([0-9]+)-$/.exec(seen.headers.range ?? '')?.[1] ?? 0);
    if (start === 0) return send(response, 200, bytes, { 'content-type': type });
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    return send(response, 206, bytes.subarray(start), { 'content-type': type, 'content-range': range });
  });
}

function pulling(signal?: AbortSignal): PullOptions {
  return {
    registry: {
      dockerConfigFolder: undefined,
      certificateFolders: [],
      limits: { ...quick, headersMs: 2000, stallMs: 1000 },
    },
    as: 'x',
    signal,
  };
}

/** A blob of the image answered with something else. */
const replace = (digest: string, bytes: Buffer) => (seen: Seen, response: ServerResponse) => {
  if (!seen.url.endsWith(`blobs/${digest}`)) return false;
  send(response, 200, bytes);
  return true;
};
const flipped = Buffer.from(big.bytes);
flipped.writeUInt8(flipped.readUInt8(1000) ^ 1, 1000);
const otherTar = gzipSync(tar({ name: 'other', data: 'x' }));
const otherLayer = {
  ...base,
  bytes: otherTar,
  blob: { ...base.blob, digest: digestOf(otherTar), size: otherTar.length },
};

describe('a registry that lies', () => {
  it('is believed when it does not', async () => {
    await using server = await serve(good);
    await using store = await scratch.openStore();
    const { digest } = await pullImage(store, `${server.host}/lab/base`, pulling());
    expect(digest).toBe(good.manifest.digest);
  });

  it.each([
    ['about a layer', () => serve(good, replace(big.blob.digest, flipped)), 'E_IMAGE_BROKEN'],
    [
      'about the length of a layer',
      () => serve(good, replace(big.blob.digest, big.bytes.subarray(1))),
      'E_IMAGE_BROKEN',
    ],
    [
      'about the configuration',
      () => serve(good, replace(good.config.digest, Buffer.alloc(good.config.size))),
      'E_IMAGE_BROKEN',
    ],
    ['about what is in a layer', () => serve(builtImage([otherLayer, big])), 'E_IMAGE_BROKEN'],
    [
      'about the number of layers',
      () => serve(builtImage([base, big], { diffIds: [base.diffId] })),
      'E_IMAGE_BROKEN',
    ],
    [
      'about the kind of machine',
      () => serve(builtImage([base], { config: { architecture: 's390x' } })),
      'E_NOT_FOUND',
    ],
    [
      'and has a layer that reaches outside',
      () => serve(builtImage([builtLayer(tar({ name: '../../evil', data: 'x' }))])),
      'E_ARCHIVE_REFUSED',
    ],
  ] as const)('%s', async (_, start, code) => {
    await using server = await start();
    await using store = await scratch.openStore();
    const before = await visibleNames(scratch.path('store'));
    const pull = pullImage(store, `${server.host}/lab/base`, pulling());
    const error = await failure(pull);
    expect(error['code']).toBe(code);
    expect(error.message).toContain('sha256:');
    expect(await store.resolve('x')).toBeUndefined();
    await store.collectGarbage();
    const after = await visibleNames(scratch.path('store'));
    expect({ ...after, tmp: [] }).toEqual({ ...before, tmp: [] });
    expect((await readdir(scratch.folder)).sort()).toEqual(['bare-host', 'store']);
  });
});

/** A layer whose blob is these bytes, whatever they are. */
function layerOf(bytes: Buffer, archive: Buffer, mediaType = base.blob.mediaType) {
  const blob = { mediaType, digest: digestOf(bytes), size: bytes.length };
  return { bytes, blob, diffId: digestOf(archive) };
}
const archive = tar({ name: 'x', data: randomBytes(300_000) });
const [head, tail] = [archive.subarray(0, 100_000), archive.subarray(100_000)];
const zstdType = 'application/vnd.oci.image.layer.v1.tar+zstd';
/** A frame of nothing that wants a window of 2 to the power of `log` bytes (RFC 8878, section 3.1.1.1.2). */
const zstdWindow = (log: number) => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 1, 0, 0]);

describe('a layer that is compressed oddly', () => {
  async function pull(layers: readonly ReturnType<typeof layerOf>[], setUp?: BuiltImage) {
    await using store = await scratch.openStore();
    if (setUp !== undefined) {
      await using first = await serve(setUp);
      await pullImage(store, `${first.host}/lab/first`, { ...pulling(), as: 'first' });
    }
    const image = builtImage([base, ...layers]);
    await using server = await serve(image);
    const outcome = await pullImage(store, `${server.host}/lab/base`, pulling()).catch(
      (error: unknown) => error as Error & Record<string, unknown>,
    );
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
    return outcome;
  }

  it('in several members or frames is one layer', async () => {
    const members = Buffer.concat([gzipSync(head), gzipSync(tail)]);
    const frames = Buffer.concat([zstdCompressSync(head), zstdCompressSync(tail)]);
    for (const layer of [layerOf(members, archive), layerOf(frames, archive, zstdType)]) {
      expect(await pull([layer])).toMatchObject({ layers: 2 });
    }
  });

  it.each([
    [
      'gzip with garbage behind it',
      Buffer.concat([gzipSync(archive), Buffer.from('#!/bin/sh')]),
      'E_IMAGE_BROKEN',
    ],
    ['gzip with zeros behind it', Buffer.concat([gzipSync(archive), Buffer.alloc(512)]), 'E_ARCHIVE_REFUSED'],
    [
      'zstd with garbage behind it',
      Buffer.concat([zstdCompressSync(archive), Buffer.from('x')]),
      'E_ARCHIVE_REFUSED',
    ],
    ['gzip that is cut', gzipSync(archive).subarray(0, -5), 'E_IMAGE_BROKEN'],
    [
      'a second member that is cut',
      Buffer.concat([gzipSync(head), gzipSync(tail).subarray(0, 50)]),
      'E_IMAGE_BROKEN',
    ],
    ['zstd that is cut', zstdCompressSync(archive).subarray(0, -5), 'E_IMAGE_BROKEN'],
    ['a window of 2 GiB', Buffer.concat([zstdWindow(31), zstdCompressSync(archive)]), 'E_ARCHIVE_REFUSED'],
    [
      'a window of 2 GiB behind a good frame',
      Buffer.concat([zstdCompressSync(archive), zstdWindow(31)]),
      'E_ARCHIVE_REFUSED',
    ],
    ['compressed twice', gzipSync(gzipSync(archive)), 'E_IMAGE_BROKEN'],
    ['empty', gzipSync(Buffer.alloc(0)), 'E_IMAGE_BROKEN'],
  ] as const)('is refused: %s', async (_, bytes, code) => {
    expect(await pull([layerOf(bytes, archive)])).toMatchObject({ code });
    // Also where its content is here already, so that nothing is unpacked.
    const known = builtImage([layerOf(gzipSync(archive), archive)]);
    expect(await pull([layerOf(bytes, archive)], known)).toMatchObject({ code });
  });
});

describe('an image with odd layers', () => {
  it.each([
    [
      'one blob as two layers',
      () => builtImage([big, big], { diffIds: [big.diffId, base.diffId] }),
      'E_IMAGE_BROKEN',
    ],
    ['ten thousand layers', () => builtImage(Array(10_000).fill(base)), 'E_ARCHIVE_REFUSED'],
    [
      'ten thousand layers in its configuration',
      () => builtImage([base], { diffIds: Array(10_000).fill(base.diffId) }),
      'E_ARCHIVE_REFUSED',
    ],
    [
      'a layer of another size',
      () => {
        const { blob, ...rest } = base;
        return builtImage([{ ...rest, blob: { ...blob, size: blob.size + 1 } }]);
      },
      'E_IMAGE_BROKEN',
    ],
    [
      'a configuration for nobody',
      () => builtImage([base], { config: { rootfs: { type: 'layers', diff_ids: ['sha256:../../x'] } } }),
      'E_IMAGE_BROKEN',
    ],
    [
      'an environment that is none',
      () => builtImage([base], { config: { config: { Env: [{}] } } }),
      'E_IMAGE_BROKEN',
    ],
  ] as const)('is refused: %s', async (_, build, code) => {
    await using server = await serve(build());
    await using store = await scratch.openStore();
    expect(await failure(pullImage(store, `${server.host}/lab/base`, pulling()))).toMatchObject({ code });
    expect(await store.resolve('x')).toBeUndefined();
  });

  it('is taken where it repeats one, as some tools make them', async () => {
    await using server = await serve(builtImage([base, big, base]));
    await using store = await scratch.openStore();
    expect(await pullImage(store, `${server.host}/lab/base`, pulling())).toMatchObject({ layers: 3 });
    expect((await store.resolve('x'))?.layers).toHaveLength(2);
  });
});

describe('a pull that is broken off', () => {
  it('goes on from where it was, by range', async () => {
    const abort = new AbortController();
    let slow = true;
    await using server = await serve(good, ({ url }, response) => {
      if (!slow || !url.endsWith(`blobs/${big.blob.digest}`)) return false;
      response.writeHead(200, { 'content-length': String(big.blob.size) });
      response.write(big.bytes.subarray(0, 1 << 20), () =>
        setTimeout(() => abort.abort(new Error('stop')), 50),
      );
      return true;
    });
    const name = `${server.host}/lab/base`;
    {
      await using store = await scratch.openStore();
      await expect(pullImage(store, name, pulling(abort.signal))).rejects.toThrow('stop');
    }
    slow = false;
    await using store = await scratch.openStore();
    const pulled = await pullImage(store, name, pulling());
    expect(pulled.digest).toBe(good.manifest.digest);
    expect(server.seen.at(-1)?.headers.range).toMatch(/^bytes=[1-9][0-9]*-$/);
    expect(pulled.bytesReceived).toBeLessThan(big.blob.size);
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
  });

  it('leaves the other layers that were whole', async () => {
    let failing = true;
    await using server = await serve(good, ({ url }, response) => {
      if (!failing || !url.endsWith(`blobs/${big.blob.digest}`)) return false;
      setTimeout(() => send(response, 404), 300);
      return true;
    });
    await using store = await scratch.openStore();
    await expect(pullImage(store, `${server.host}/lab/base`, pulling())).rejects.toMatchObject({
      fault: 'missing',
    });
    failing = false;
    expect(await pullImage(store, `${server.host}/lab/base`, pulling())).toMatchObject({ layersShared: 1 });
  });
});

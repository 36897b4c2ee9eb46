// The content store, on which pulls are written, with sources that break, lie, stall and give up.

import { createHash } from 'node:crypto';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OpenBlob, Transaction } from '../../../src/images/content.ts';
import { imageManifest } from '../../../src/images/oci.ts';
import type { ImageStore } from '../../../src/images/store/image-store.ts';
import { type BuiltImage, type BuiltLayer, builtImage, builtLayer, digestOf } from './image-builder.ts';
import { buildLayerProgram, Scratch } from './scratch.ts';
import { tar } from './tar-builder.ts';

let scratch: Scratch;
let store: ImageStore;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
  store = await scratch.openStore();
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

/** Nothing that could be compressed. */
const noise = Buffer.concat(
  Array.from({ length: 600 }, (_, index) => createHash('sha256').update(String(index)).digest()),
);
const layer = builtLayer(tar({ name: 'file', data: noise }), 'gzip');
const other = builtLayer(tar({ name: 'file', data: 'other' }), 'zstd');

/** A source that gives `pieces` of a blob, one a call, and tells where it was asked to start. */
function source(bytes: Buffer, ...lengths: readonly number[]): { open: OpenBlob; offsets: number[] } {
  const offsets: number[] = [];
  const open: OpenBlob = async (offset) => {
    offsets.push(offset);
    const length = lengths[offsets.length - 1] ?? bytes.length;
    async function* give(): AsyncGenerator<Uint8Array, void, void> {
      for (let at = offset; at < Math.min(offset + length, bytes.length); at += 1000) {
        yield bytes.subarray(at, Math.min(at + 1000, offset + length));
      }
      if (offset + length < bytes.length) throw new Error('connection reset');
    }
    return give();
  };
  return { open, offsets };
}

async function add(transaction: Transaction, { blob, diffId, bytes }: BuiltLayer): Promise<void> {
  await transaction.addLayer(blob, diffId, source(bytes).open);
}

const addImage = async (transaction: Transaction, image: BuiltImage): Promise<void> => {
  for (const part of image.layers) await add(transaction, part);
  for (const blob of [image.config, image.manifest]) {
    await transaction.putBlob(image.blobs.get(blob.digest) ?? Buffer.alloc(0), blob.mediaType);
  }
};

const partials = async (): Promise<string[]> =>
  (await readdir(scratch.path('store/tmp'))).filter((name) => name.startsWith('partial-'));

describe('a layer', () => {
  it('is resumed where its stream broke, and is in the store once, whole', async () => {
    await using transaction = await store.begin();
    const { open, offsets } = source(layer.bytes, 3000, 2500, 0, 1000);
    const seen: number[] = [];
    await transaction.addLayer(layer.blob, layer.diffId, open, {
      onProgress: ({ bytes }) => seen.push(bytes),
    });
    expect(offsets).toEqual([0, 3000, 5500, 5500, 6500]);
    expect(seen.at(-1)).toBe(layer.blob.size);
    expect(await transaction.hasLayer(layer.blob.digest, layer.diffId)).toBe(true);
    await transaction.addLayer(layer.blob, layer.diffId, () => Promise.reject(new Error('opened again')));
    expect(await buffer(await transaction.readBlob(layer.blob.digest))).toEqual(layer.bytes);
    expect(await partials()).toEqual([]);
  });

  it('that a killed daemon had begun is gone on with by the next one, for a week', async () => {
    {
      await using transaction = await store.begin();
      const { open } = source(layer.bytes, 5000, 0, 0, 0);
      await expect(transaction.addLayer(layer.blob, layer.diffId, open)).rejects.toThrow(
        'breaks after 5000 of',
      );
    }
    await store[Symbol.asyncDispose]();
    store = await scratch.openStore();
    const [partial = ''] = await partials();
    {
      await using transaction = await store.begin();
      const { open, offsets } = source(layer.bytes);
      await transaction.addLayer(layer.blob, layer.diffId, open);
      expect(offsets).toEqual([5000]);
    }
    await writeFile(scratch.path('store/tmp', partial), 'x');
    await utimes(scratch.path('store/tmp', partial), 1, 1);
    await store.collectGarbage();
    expect(await partials()).toEqual([]);
  });

  it('of which a power cut has damaged the beginning is fetched again', async () => {
    await writeFile(scratch.path('store/tmp', `partial-${layer.blob.digest.slice(7)}`), Buffer.alloc(4000));
    await using transaction = await store.begin();
    const { open, offsets } = source(layer.bytes);
    await transaction.addLayer(layer.blob, layer.diffId, open);
    expect(offsets).toEqual([4000, 0]);
  });

  it('is refused where it is not what it should be, and leaves nothing', async () => {
    await using transaction = await store.begin();
    const changed = Buffer.from(layer.bytes);
    changed[5000] = (changed[5000] ?? 0) ^ 1;
    const cases: readonly (readonly [string, BuiltLayer, Buffer, string])[] = [
      ['changed', layer, changed, ''],
      ['longer', layer, Buffer.concat([layer.bytes, layer.bytes]), 'longer than'],
      [
        'another diffID',
        { ...layer, diffId: other.diffId },
        layer.bytes,
        'the uncompressed layer has the digest',
      ],
      [
        'not compressed data',
        builtLayer(Buffer.from('hello'), 'none'),
        Buffer.from('hello'),
        'ends too early',
      ],
      ['xz', { ...layer, ...xz(layer) }, xz(layer).bytes, 'compressed with xz'],
    ];
    for (const [label, wanted, bytes, message] of cases) {
      const done = transaction.addLayer(wanted.blob, wanted.diffId, source(bytes).open);
      await expect(done, label).rejects.toThrow(message);
      expect(await readdir(scratch.path('store/tmp')), label).toEqual([]);
      expect(await readdir(scratch.path('store/layers/sha256')), label).toEqual([]);
      expect(await readdir(scratch.path('store/blobs/sha256')), label).toEqual([]);
    }
  });

  it('cannot be claimed by an image that has another blob', async () => {
    await using transaction = await store.begin();
    await add(transaction, layer);
    const claim = { ...other, diffId: layer.diffId };
    await expect(add(transaction, claim)).rejects.toThrow('the uncompressed layer has the digest');
    await add(transaction, other);
    const image = builtImage([other], { diffIds: [layer.diffId] });
    await transaction.putBlob(
      image.blobs.get(image.config.digest) ?? Buffer.alloc(0),
      image.config.mediaType,
    );
    await transaction.putBlob(
      image.blobs.get(image.manifest.digest) ?? Buffer.alloc(0),
      image.manifest.mediaType,
    );
    await expect(transaction.tag('claim', image.manifest)).rejects.toThrow('is not known to hold');
  });

  it('takes a second blob of the same content without being unpacked again', async () => {
    await using transaction = await store.begin();
    await add(transaction, layer);
    const again = builtLayer(gunzipSync(layer.bytes), 'zstd');
    await add(transaction, again);
    expect(await transaction.hasLayer(again.blob.digest, layer.diffId)).toBe(true);
    expect(await readdir(scratch.path('store/layers/sha256'))).toHaveLength(1);
  });
});

function xz(from: BuiltLayer): Pick<BuiltLayer, 'bytes' | 'blob'> {
  const bytes = Buffer.from('fd377a585a0000000000', 'hex');
  return { bytes, blob: { ...from.blob, digest: digestOf(bytes), size: bytes.length } };
}

describe('transactions', () => {
  it('that want one layer share the work', async () => {
    await using first = await store.begin();
    await using second = await store.begin();
    const { open, offsets } = source(layer.bytes);
    await Promise.all([first, second].map((one) => one.addLayer(layer.blob, layer.diffId, open)));
    expect(offsets).toEqual([0]);
  });

  it('go on alone where the one at work gives up', async () => {
    await using first = await store.begin();
    await using second = await store.begin();
    const abort = new AbortController();
    const stalling: OpenBlob = async () => {
      async function* give(): AsyncGenerator<Uint8Array, void, void> {
        yield layer.bytes.subarray(0, 2000);
        await new Promise(() => undefined);
      }
      return give();
    };
    const arrived = Promise.withResolvers<void>();
    const stalled = first.addLayer(layer.blob, layer.diffId, stalling, {
      signal: abort.signal,
      onProgress: () => arrived.resolve(),
    });
    stalled.catch(() => undefined);
    await arrived.promise;
    const { open, offsets } = source(layer.bytes);
    const done = second.addLayer(layer.blob, layer.diffId, open);
    abort.abort(new Error('enough'));
    await expect(stalled).rejects.toThrow('enough');
    await done;
    expect(offsets).toEqual([2000]);
  });

  it('keep what they hold from garbage collection until they end', async () => {
    const image = builtImage([layer, other]);
    {
      await using transaction = await store.begin();
      await addImage(transaction, image);
      expect(await store.collectGarbage()).toMatchObject({ blobs: 0, layers: 0 });
      await expect(transaction.readJson(image.manifest, imageManifest)).resolves.toMatchObject({
        schemaVersion: 2,
      });
    }
    expect(await store.collectGarbage()).toMatchObject({ blobs: 4, layers: 2 });
    expect(await store.verify()).toMatchObject({ blobs: 0, layers: 0, problems: [] });
  });

  it('make a name mean a whole image only', async () => {
    const image = builtImage([layer, other]);
    await using transaction = await store.begin();
    await addImage(transaction, image);
    await transaction.tag('whole', image.manifest);
    expect(await transaction.find('whole')).toMatchObject(image.manifest);
    expect(await store.resolve('whole')).toMatchObject({ digest: image.manifest.digest });
    const short = builtImage([layer, other], { diffIds: [layer.diffId] });
    for (const bytes of short.blobs.values()) await transaction.putBlob(bytes, 'text/plain');
    await expect(transaction.tag('short', short.manifest)).rejects.toThrow(
      '2 layers in the manifest, 1 layers',
    );
    await expect(transaction.tag('size', { ...image.manifest, size: 5 })).rejects.toThrow('instead of 5');
    await expect(transaction.tag('x@sha256:00', image.manifest)).rejects.toMatchObject({ code: 'E_USAGE' });
    const missing = builtImage([builtLayer(tar({ name: 'never' }))]);
    for (const blob of [missing.config, missing.manifest]) {
      await transaction.putBlob(missing.blobs.get(blob.digest) ?? Buffer.alloc(0), blob.mediaType);
    }
    await expect(transaction.tag('missing', missing.manifest)).rejects.toThrow('is missing');
  });

  it('give every layer a blob when an image is to leave', async () => {
    await writeFile(scratch.path('plain.tar'), gunzipSync(layer.bytes));
    await store.importRootfs('plain', scratch.path('plain.tar'));
    await using transaction = await store.begin();
    const manifest = await transaction.find('plain');
    if (manifest === undefined) throw new Error('not there');
    expect(await transaction.withBlobs(manifest, 'keep')).toEqual(manifest);
    const moved = await transaction.withBlobs(manifest, 'gzip');
    expect(await transaction.withBlobs(manifest, 'gzip')).toEqual(moved);
    const { layers, config } = await transaction.readJson(moved, imageManifest);
    expect(layers[0]?.mediaType).toMatch(/gzip$/);
    expect(gunzipSync(await buffer(await transaction.readBlob(layers[0]?.digest ?? layer.diffId)))).toEqual(
      gunzipSync(layer.bytes),
    );
    expect(config.digest).toBe((await store.inspect('plain')).configDigest);
    await transaction.tag('compressed', moved);
    expect(await store.hasMoved('compressed', manifest.digest)).toBe(false);
    await transaction.tag('plain', moved);
    expect(await store.hasMoved('plain', manifest.digest)).toBe(false);
  });
});

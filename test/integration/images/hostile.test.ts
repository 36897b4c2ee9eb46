// Images made to do harm, or just wrong: each refused by name, and the store as it was before.

import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { builtImage, builtLayer, digestOf, dockerArchive, tenLayers, writeLayout } from './image-builder.ts';
import { buildLayerProgram, Scratch, visibleNames } from './scratch.ts';
import { tar } from './tar-builder.ts';

let scratch: Scratch;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
});

const good = builtLayer(tar({ name: 'file', data: 'x' }));

async function layout(
  name: string,
  edit: (folder: string) => Promise<void> = async () => undefined,
): Promise<string> {
  const folder = await writeLayout(scratch.path(name), builtImage([good]));
  await edit(folder);
  return folder;
}

function index(...manifests: readonly object[]): string {
  return JSON.stringify({ schemaVersion: 2, manifests });
}

async function put(folder: string, bytes: string): Promise<object> {
  const digest = digestOf(Buffer.from(bytes));
  await writeFile(`${folder}/blobs/sha256/${digest.slice(7)}`, bytes);
  return { digest, size: Buffer.byteLength(bytes) };
}

const ofIndex = 'application/vnd.oci.image.index.v1+json';
const ofManifest = 'application/vnd.oci.image.manifest.v1+json';

describe('an OCI layout', () => {
  it('that is wrong is refused, whatever it is', async () => {
    await using store = await scratch.openStore({ limits: { maxBytes: 4 << 20 } });
    await store.importImage('kept', await layout('good'));
    const before = await visibleNames(scratch.path('store'));
    const { manifest, config, blobs } = builtImage([good]);
    const blobFile = `blobs/sha256/${good.blob.digest.slice(7)}`;
    const fresh = builtLayer(tar({ name: 'fresh', data: 'x' }));
    const image = (name: string, ...args: Parameters<typeof builtImage>): Promise<string> =>
      writeLayout(scratch.path(name), builtImage(...args));
    const cases: readonly (readonly [string, Promise<string>, string])[] = [
      ['no index', layout('a', (folder) => rm(`${folder}/index.json`)), 'has no file "index.json"'],
      ['index is text', layout('b', (folder) => writeFile(`${folder}/index.json`, 'hello')), 'is not JSON'],
      [
        'index is wrong',
        layout('c', (folder) => writeFile(`${folder}/index.json`, '{}')),
        'no OCI image index',
      ],
      [
        'an index bomb',
        layout('d', (folder) => writeFile(`${folder}/index.json`, Buffer.alloc(5 << 20, ' '))),
        'is larger than',
      ],
      [
        'another version',
        layout('e', (folder) => writeFile(`${folder}/oci-layout`, '{"imageLayoutVersion":"2.0.0"}')),
        'version 1',
      ],
      [
        'nothing in it',
        layout('f', (folder) => writeFile(`${folder}/index.json`, index())),
        'holds no image',
      ],
      [
        'two of them',
        layout('g', async (folder) => {
          const second = await put(folder, (blobs.get(manifest.digest) ?? '').toString().replace('}', ' }'));
          await writeFile(`${folder}/index.json`, index(manifest, { mediaType: ofManifest, ...second }));
        }),
        'holds 2 images',
      ],
      [
        'no such kind',
        layout('h', (folder) =>
          writeFile(`${folder}/index.json`, index({ ...manifest, mediaType: 'text/plain' })),
        ),
        'is no image',
      ],
      [
        'wrong size',
        layout('i', (folder) => writeFile(`${folder}/index.json`, index({ ...manifest, size: 9 }))),
        'says 9',
      ],
      [
        'a digest of another kind',
        layout('j', (folder) =>
          writeFile(`${folder}/index.json`, index({ ...manifest, digest: '../../etc' })),
        ),
        'no OCI image index',
      ],
      [
        'manifest has changed',
        layout('k', (folder) =>
          writeFile(`${folder}/blobs/sha256/${fresh.blob.digest.slice(7)}`, '{}').then(() =>
            writeFile(`${folder}/index.json`, index({ ...manifest, digest: fresh.blob.digest, size: 2 })),
          ),
        ),
        'has the digest',
      ],
      [
        'a link in the place of a blob',
        image('l', [fresh]).then(async (folder) => {
          await rm(`${folder}/blobs/sha256/${fresh.blob.digest.slice(7)}`);
          await symlink('/etc/shadow', `${folder}/blobs/sha256/${fresh.blob.digest.slice(7)}`);
          return folder;
        }),
        'has no file',
      ],
      [
        'indexes without end',
        layout('m', async (folder) => {
          let inner = JSON.stringify({ schemaVersion: 2, manifests: [manifest] });
          for (let depth = 0; depth < 8; depth += 1)
            inner = index({ mediaType: ofIndex, ...(await put(folder, inner)) });
          await writeFile(`${folder}/index.json`, inner);
        }),
        'nested too deeply',
      ],
      [
        'another architecture',
        layout('n', async (folder) => {
          const inner = index(
            { ...manifest, platform: { os: 'linux', architecture: 's390x' } },
            { ...manifest, platform: { os: 'windows', architecture: 'amd64' } },
          );
          await writeFile(
            `${folder}/index.json`,
            index({ mediaType: ofIndex, ...(await put(folder, inner)) }),
          );
        }),
        'there is nothing for linux/',
      ],
      [
        'a layer bomb',
        image(
          'p',
          Array.from({ length: 300 }, () => good),
        ),
        'it has 300 layers, the limit is 256',
      ],
      [
        'a layer too few',
        image('q', [good, fresh], { diffIds: [good.diffId] }),
        '2 layers in the manifest, 1 in the configuration',
      ],
      [
        'a wrong diffID',
        image('r', [fresh], { diffIds: [digestOf(Buffer.from('x'))] }),
        'the uncompressed layer has the digest',
      ],
      [
        "another layer's diffID",
        image('s', [fresh], { diffIds: [good.diffId] }),
        'the uncompressed layer has the digest',
      ],
      ['an escape', image('t', [builtLayer(tar({ name: '../out' }))]), "the path leads out by '..'"],
      [
        'a decompression bomb',
        image('u', [builtLayer(tar({ name: 'zeros', data: Buffer.alloc(16 << 20) }))]),
        'larger than the limit',
      ],
      ['too large an id', image('v', [builtLayer(tar({ name: 'x', uid: 70_000 }))]), 'an id above 65535'],
      [
        'a config that is none',
        layout('w', async (folder) => {
          const empty = await put(folder, '[]');
          const text = JSON.stringify({
            schemaVersion: 2,
            config: { mediaType: config.mediaType, ...empty },
            layers: [good.blob],
          });
          await writeFile(
            `${folder}/index.json`,
            index({ mediaType: ofManifest, ...(await put(folder, text)) }),
          );
        }),
        'expected object',
      ],
      [
        'a layer larger than any',
        layout('x', async (folder) => {
          const text = (blobs.get(manifest.digest) ?? '')
            .toString()
            .replace(good.blob.digest, fresh.blob.digest)
            .replace(/"size":\d+\}\]/, '"size":9007199254740991}]');
          await writeFile(
            `${folder}/index.json`,
            index({ mediaType: ofManifest, ...(await put(folder, text)) }),
          );
        }),
        'the limit is',
      ],
      [
        'a blob that has changed',
        image('y', [fresh]).then(async (folder) => {
          await writeFile(
            `${folder}/blobs/sha256/${fresh.blob.digest.slice(7)}`,
            Buffer.alloc(fresh.blob.size, 1),
          );
          return folder;
        }),
        '',
      ],
      [
        'a blob that is missing',
        image('z', [fresh]).then(async (folder) => {
          await rm(`${folder}/blobs/sha256/${fresh.blob.digest.slice(7)}`);
          return folder;
        }),
        'has no file',
      ],
    ];
    expect(blobFile).toMatch(/^blobs/);
    for (const [label, path, message] of cases) {
      await expect(store.importImage('bad', await path), label).rejects.toMatchObject({
        code: expect.stringMatching(/^E_(IMAGE_BROKEN|ARCHIVE_REFUSED|USAGE)$/),
        message: expect.stringContaining(message),
      });
      await store.collectGarbage();
      expect(await visibleNames(scratch.path('store')), label).toEqual(before);
    }
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
  });
});

describe('a docker archive', () => {
  it('that is wrong is refused', async () => {
    await using store = await scratch.openStore();
    const before = await visibleNames(scratch.path('store'));
    const layer = tar({ name: 'file', data: 'x' });
    const { config, blobs } = builtImage([builtLayer(layer, 'none')]);
    const text = blobs.get(config.digest) ?? '';
    const saved = (image: object): { name: string; data: string } => ({
      name: 'manifest.json',
      data: JSON.stringify([{ Config: 'c.json', RepoTags: ['a:1'], Layers: ['l.tar'], ...image }]),
    });
    const parts = [
      { name: 'c.json', data: text },
      { name: 'l.tar', data: layer },
    ];
    const cases: readonly (readonly [string, Buffer, string])[] = [
      ['text', tar({ name: 'manifest.json', data: 'hello' }), 'is not JSON'],
      ['another thing', tar({ name: 'manifest.json', data: '{}' }), 'not what docker save writes'],
      ['no config', tar(saved({ Config: 'other' }), ...parts), 'has no file "other"'],
      ['outside', tar(saved({ Config: '../../../../etc/passwd' }), ...parts), 'has no file'],
      ['no layer', tar(saved({ Layers: ['other'] }), ...parts), 'has no file "other"'],
      ['two layers', tar(saved({ Layers: ['l.tar', 'l.tar'] }), ...parts), '2 layers, but 1'],
      [
        'links in a circle',
        tar(
          saved({ Layers: ['x'] }),
          parts[0] ?? { name: '' },
          { name: 'x', type: '2', link: 'y' },
          { name: 'y', type: '2', link: 'x' },
        ),
        'has no file "x"',
      ],
      [
        'a link outside',
        tar(saved({ Layers: ['x'] }), parts[0] ?? { name: '' }, {
          name: 'x',
          type: '2',
          link: '/etc/shadow',
        }),
        'has no file "x"',
      ],
      [
        'another layer',
        tar(saved({}), parts[0] ?? { name: '' }, { name: 'l.tar', data: tar({ name: 'other' }) }),
        'the uncompressed layer has the digest',
      ],
    ];
    for (const [label, bytes, message] of cases) {
      await writeFile(scratch.path('bad.tar'), bytes);
      await expect(store.importImage('bad', scratch.path('bad.tar')), label).rejects.toMatchObject({
        code: expect.stringMatching(/^E_(IMAGE_BROKEN|USAGE)$/),
        message: expect.stringContaining(message),
      });
      await store.collectGarbage();
      expect(await visibleNames(scratch.path('store')), label).toEqual(before);
    }
  });

  it('of several images gives the one that is asked for', async () => {
    await using store = await scratch.openStore();
    const one = dockerArchive(tenLayers('all').slice(0, 2), ['lab/a:1', 'lab/b:2']);
    await writeFile(scratch.path('one.tar'), one);
    expect((await store.importImage(undefined, scratch.path('one.tar'))).map(({ name }) => name)).toEqual([
      'lab/a:1',
      'lab/b:2',
    ]);
    await mkdir(scratch.path('empty'));
    await expect(store.importImage(undefined, scratch.path('empty'))).rejects.toMatchObject({
      code: 'E_USAGE',
    });
  });
});

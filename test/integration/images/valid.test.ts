// Holds that whatever umoci and podman both take as an image is taken here, and that what is refused has a reason that
// is told. Every one is shown to all three.

import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageStore } from '../../../src/images/store/image-store.ts';
import { Containers } from '../../fixtures/images/containers.ts';
import { lacks } from '../../fixtures/machine.ts';
import { run, runOk } from '../../fixtures/process.ts';
import { skopeo } from '../registry/real-registry.ts';
import { builtLayer, digestOf, dockerArchive } from './image-builder.ts';
import { buildLayerProgram, Scratch } from './scratch.ts';
import { header, tar, tarEntry } from './tar-builder.ts';

/** The same folder: podman makes a name of the path, and names have no capitals. */
const lower = join(tmpdir(), `dockersh-test-valid-${process.pid}`);
let scratch: Scratch;
let store: ImageStore;
let others: Containers;
beforeAll(async () => {
  buildLayerProgram();
  scratch = await Scratch.make();
  store = await scratch.openStore();
  others = new Containers(scratch.path('containers'));
  await symlink(scratch.folder, lower);
});
afterAll(async () => {
  await rm(lower, { force: true });
  await others[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

const types = {
  config: 'application/vnd.oci.image.config.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
};
const here = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
const small = tar({ name: 'etc/', type: '5', mode: 0o755 }, { name: 'etc/x', data: 'x' });

/** A layout in the making. */
class Layout {
  readonly entries: object[] = [];
  readonly #blobs = new Map<string, Uint8Array>();
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  blob(value: Uint8Array | object, mediaType: string) {
    const bytes = value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value));
    const digest = digestOf(bytes);
    this.#blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  layer(archive: Buffer) {
    const { bytes, blob, diffId } = builtLayer(archive);
    return { ...this.blob(bytes, blob.mediaType), diffId };
  }

  image(archives: readonly Buffer[], extra: { config?: object; manifest?: object } = {}) {
    const layers = archives.map((archive) => this.layer(archive));
    const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) };
    const config = this.blob({ ...here, config: {}, rootfs, ...extra.config }, types.config);
    const listed = layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }));
    const manifest = { schemaVersion: 2, mediaType: types.manifest, config, layers: listed };
    return this.blob({ ...manifest, ...extra.manifest }, types.manifest);
  }

  name(entry: object, more: object = {}): void {
    this.entries.push({ ...entry, annotations: { 'org.opencontainers.image.ref.name': 't' }, ...more });
  }

  async write(index: object = {}): Promise<string> {
    await mkdir(`${this.folder}/blobs/sha256`, { recursive: true });
    await writeFile(`${this.folder}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    const whole = { schemaVersion: 2, manifests: this.entries, ...index };
    await writeFile(`${this.folder}/index.json`, JSON.stringify(whole));
    for (const [digest, bytes] of this.#blobs) {
      await writeFile(`${this.folder}/blobs/sha256/${digest.slice(7)}`, bytes);
    }
    return this.folder;
  }
}

const other = { mediaType: types.manifest, size: 1, platform: { os: 'linux', architecture: 's390x' } };
const strange = { ...other, digest: `sha512:${'a'.repeat(128)}` };
const absent = { ...other, digest: `sha256:${'a'.repeat(64)}` };
const owned = (mode: number, id: number): Buffer =>
  tar({ name: './', type: '5', mode, uid: id, gid: id }, { name: 'f', data: 'x' });
type Make = (layout: Layout) => object | undefined;
const image = (...archives: Buffer[]): Make => {
  return (layout) => void layout.name(layout.image(archives));
};
const config = (extra: object): Make => {
  return (layout) => void layout.name(layout.image([small], { config: extra }));
};
const manifest = (extra: object): Make => {
  return (layout) => void layout.name(layout.image([small], { manifest: extra }));
};
const listed = (extra: object): Make => {
  return (layout) => void layout.name({ ...layout.image([small]), ...extra });
};
const index = (entries: (own: object, layout: Layout) => object[]): Make => {
  return (layout) => {
    const manifests = entries(layout.image([small]), layout);
    layout.name(layout.blob({ schemaVersion: 2, mediaType: types.index, manifests }, types.index));
    return undefined;
  };
};

const both: readonly (readonly [string, Make])[] = [
  ['a layer without the blocks at its end', image(small.subarray(0, -1024))],
  ['a layer of no bytes', image(small, Buffer.alloc(0))],
  ['layers that are empty archives', image(small, Buffer.alloc(1024))],
  ['no layers', (layout) => void layout.name(layout.image([]))],
  [
    'null for the layers',
    (layout) => {
      const extra = { config: { rootfs: { type: 'layers', diff_ids: null } }, manifest: { layers: null } };
      layout.name(layout.image([], extra));
      return undefined;
    },
  ],
  ['a root without a mode', image(owned(0, 0))],
  ["a root that is a user's", image(owned(0o700, 1000))],
  ['a root with an id above 65535', image(owned(0o755, 100_000))],
  ['a root without a name', image(Buffer.concat([header({ name: '', type: '5', mode: 0o755 }), small]))],
  ['no architecture', config({ architecture: undefined })],
  ['null for the architecture', config({ architecture: null })],
  ['null in the history', config({ history: [null], created: null, author: null })],
  ['no type of the manifest', manifest({ mediaType: undefined })],
  ['an empty type of the manifest', manifest({ mediaType: '' })],
  [
    'null in the manifest',
    manifest({ mediaType: null, annotations: null, subject: null, artifactType: null }),
  ],
  ['a null annotation', manifest({ annotations: { a: null } })],
  ['no version of the manifest', manifest({ schemaVersion: undefined })],
  ['null in an entry', listed({ platform: null, urls: null })],
  ['a platform with nulls', listed({ platform: { ...here, variant: null, 'os.features': null } })],
  [
    'null in the index',
    (layout) => {
      layout.name(layout.image([small]));
      return { mediaType: null, annotations: null, schemaVersion: undefined };
    },
  ],
  [
    'a digest of another algorithm beside it',
    (layout) => {
      layout.entries.push({ ...strange, annotations: { 'org.opencontainers.image.ref.name': 'o' } });
      layout.name(layout.image([small]));
      return undefined;
    },
  ],
];

/** umoci takes no choice ("tag is ambiguous"), podman no index in an index. */
const one: readonly (readonly [string, Make])[] = [
  ['no operating system', config({ os: '' })],
  ['a digest of another algorithm in an index', index((own) => [strange, { ...own, platform: here }])],
  [
    'an index with an entry of no platform',
    index((own) => [
      { ...absent, platform: null },
      { ...own, platform: here },
    ]),
  ],
  [
    'attestations in an index',
    index((own) => [
      { ...absent, platform: { os: 'unknown', architecture: 'unknown' } },
      { ...own, platform: here },
    ]),
  ],
  ['no platform in an index', index((own) => [{ ...absent, mediaType: 'application/vnd.foo' }, own])],
  [
    'an index in an index',
    index((own, layout) => [
      layout.blob({ schemaVersion: 2, manifests: [{ ...own, platform: here }] }, types.index),
    ]),
  ],
];

const kept = async ([name, make]: readonly [string, Make]): Promise<{ layout: string; id: string }> => {
  const id = name.replaceAll(/[^a-z0-9]+/g, '-');
  const layout = new Layout(scratch.path(id));
  return { layout: await layout.write(make(layout)), id };
};

describe.skipIf(lacks('umoci', 'podman', 'runc'))('an image with', () => {
  it.each(both)('%s is taken by umoci, podman and us', async (name, make) => {
    const { layout, id } = await kept([name, make]);
    await runOk('umoci', ['unpack', '--image', `${layout}:t`, scratch.path(`${id}-bundle`)]);
    await others.podman('pull', '--quiet', `oci:${lower}/${id}:t`);
    await store.importImage(id, layout);
    expect((await store.resolve(id))?.name).toBe(id);
  });

  it.each(one)('%s is taken by one of them and us', async (name, make) => {
    const { layout, id } = await kept([name, make]);
    const umoci = await run('umoci', ['unpack', '--image', `${layout}:t`, scratch.path(`${id}-bundle`)]);
    if (umoci.code !== 0) await others.podman('pull', '--quiet', `oci:${lower}/${id}:t`);
    await store.importImage(id, layout);
    expect((await store.resolve(id))?.name).toBe(id);
  });
});

it('an image of nothing is whole, and can be built on, passed on and verified', async () => {
  const { layout } = await kept(['nothing', (made) => void made.name(made.image([]))]);
  await store.importImage('nothing', layout);
  expect((await store.resolve('nothing'))?.layers).toEqual([]);
  await mkdir(scratch.path('upper'));
  await writeFile(scratch.path('upper/mine'), 'mine');
  await store.commit(scratch.path('upper'), undefined, 'nothing', { name: 'something' });
  expect((await store.resolve('something'))?.layers).toHaveLength(1);
  expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
  await store.collectGarbage();
  expect((await store.list()).map(({ name }) => name)).toContain('nothing:latest');
});

it('more layers than a mount can have are refused with their number', async () => {
  const layers = Array.from({ length: 257 }, (_, number) => tar({ name: 'f', data: `${number}` }));
  const { layout } = await kept(['many', image(...layers)]);
  await expect(store.importImage('many', layout)).rejects.toMatchObject({
    code: 'E_ARCHIVE_REFUSED',
    message: expect.stringContaining('it has 257 layers, the limit is 256'),
    hint: 'See docs/images.md for the limits.',
  });
});

describe('what is no image', () => {
  const signature = 'application/vnd.dev.cosign.simplesigning.v1+json';
  const signed = (layout: Layout) => ({
    ...layout.image([], { manifest: { layers: [layout.blob(Buffer.from('{}'), signature)] } }),
    annotations: { 'org.opencontainers.image.ref.name': 'sha256-0.sig' },
  });

  it('is named for what it is', async () => {
    const { layout } = await kept(['signature', (made) => void made.entries.push(signed(made))]);
    const failed = store.importImage('signature', layout);
    await expect(failed).rejects.toMatchObject({ code: 'E_USAGE', message: /no image but a signature/ });
  });

  it('is passed over beside an image', async () => {
    const { layout } = await kept([
      'beside',
      (made) => {
        made.entries.push(signed(made), made.image([small]));
        const chart = made.blob({ name: 'x' }, 'application/vnd.cncf.helm.config.v1+json');
        made.entries.push(made.image([], { manifest: { config: chart } }));
        return undefined;
      },
    ]);
    expect(await store.importImage('beside', layout)).toMatchObject([{ name: 'beside:latest', files: 2 }]);
  });
});

describe('an image comes', () => {
  it('in a tar of a layout’s folder, with the same digest as the folder itself', async () => {
    const { layout } = await kept(['folder', image(small)]);
    const [plain] = await store.importImage('folder', layout);
    await runOk('tar', ['-C', scratch.folder, '-cf', scratch.path('folder.tar'), 'folder']);
    await writeFile(scratch.path('folder.tar.gz'), gzipSync(await readFile(scratch.path('folder.tar'))));
    for (const file of ['folder.tar', 'folder.tar.gz']) {
      const [result] = await store.importImage('folder', scratch.path(file));
      expect(result?.digest).toBe(plain?.digest);
    }
  });

  it.skipIf(lacks('skopeo'))('in a folder of skopeo’s', async () => {
    const { layout } = await kept(['for-skopeo', image(small)]);
    const [plain] = await store.importImage('for-skopeo', layout);
    await skopeo(scratch.folder, 'copy', `oci:${layout}:t`, `dir:${scratch.path('dir')}`);
    expect(await store.importImage('dir', scratch.path('dir'))).toMatchObject([{ digest: plain?.digest }]);
    const made = new Layout(scratch.path('two'));
    const inner = { ...made.image([small]), platform: here };
    made.name(made.blob({ schemaVersion: 2, mediaType: types.index, manifests: [inner] }, types.index));
    const all = scratch.path('all');
    await skopeo(scratch.folder, 'copy', '--all', `oci:${await made.write()}:t`, `dir:${all}`);
    expect(await store.importImage('all', all)).toMatchObject([{ digest: plain?.digest }]);
  });

  it('as docker wrote it before 1.10', async () => {
    const [lower, upper] = ['1'.repeat(64), '2'.repeat(64)];
    const step = (parent?: string) => JSON.stringify({ parent, created: '2015-01-01T00:00:00Z', ...here });
    const archive = tar(
      ...[lower, upper].flatMap((id, number) => [
        { name: `${id}/`, type: '5', mode: 0o755 },
        { name: `${id}/VERSION`, data: '1.0' },
        { name: `${id}/json`, data: step(number === 0 ? undefined : lower) },
        { name: `${id}/layer.tar`, data: tar({ name: 'f', data: `${number}` }) },
      ]),
      { name: 'repositories', data: JSON.stringify({ 'lab/old': { '1': upper } }) },
    );
    await writeFile(scratch.path('old.tar'), archive);
    await writeFile(scratch.path('old.tar.gz'), gzipSync(archive));
    const [plain] = await store.importImage(undefined, scratch.path('old.tar'));
    expect(plain).toMatchObject({ name: 'lab/old:1', files: 2 });
    expect(await store.inspect('lab/old:1')).toMatchObject({ layers: [{ files: 1 }, { files: 1 }] });
    const [packed] = await store.importImage(undefined, scratch.path('old.tar.gz'));
    expect(packed).toEqual(plain);
  });

  it('with docker’s and OCI’s description by OCI’s, called what docker calls it', async () => {
    const made = new Layout(scratch.path('described'));
    const own = made.image([small]);
    made.entries.push(own);
    await made.write();
    const blob = JSON.parse(await readFile(`${made.folder}/blobs/sha256/${own.digest.slice(7)}`, 'utf8'));
    const saved = [
      { Config: `blobs/sha256/${blob.config.digest.slice(7)}`, RepoTags: ['lab/saved:1'], Layers: [] },
    ];
    await writeFile(`${made.folder}/manifest.json`, JSON.stringify(saved));
    await runOk('tar', ['-C', made.folder, '-cf', scratch.path('described.tar'), '.']);
    for (const file of ['described', 'described.tar']) {
      const [result] = await store.importImage(undefined, scratch.path(file));
      expect(result).toMatchObject({ name: 'lab/saved:1', digest: own.digest });
    }
  });
});

describe('a root filesystem', () => {
  it.each([
    ['manifest.json', '{"name":"an app"}'],
    ['manifest.json', JSON.stringify([{ Config: 'gone.json', RepoTags: [], Layers: ['gone'] }])],
    ['oci-layout', 'anything'],
    ['repositories', '{}'],
  ])('may have a file /%s', async (name, text) => {
    const archive = tar({ name: 'usr/', type: '5', mode: 0o755 }, { name, data: text }, { name: 'usr/f' });
    await writeFile(scratch.path('rootfs.tar'), archive);
    await mkdir(scratch.path('rootfs/usr'), { recursive: true });
    await writeFile(scratch.path('rootfs', name), text);
    for (const file of ['rootfs.tar', 'rootfs']) {
      await store.importImage('rootfs', scratch.path(file));
      const { layers } = await store.inspect('rootfs');
      expect(layers).toHaveLength(1);
    }
    await rename(scratch.path('rootfs'), scratch.path(`rootfs-${performance.now()}`));
  });

  it('is not what a damaged image is taken for', async () => {
    for (const [name, text] of [
      ['manifest.json', 'x'],
      ['oci-layout', 'x'],
    ] as const) {
      await writeFile(scratch.path('damaged.tar'), tar({ name, data: text }));
      const failed = store.importImage('damaged', scratch.path('damaged.tar'));
      await expect(failed).rejects.toMatchObject({ code: 'E_IMAGE_BROKEN' });
    }
    const archive = dockerArchive([small], ['lab/cut:1']);
    await writeFile(
      scratch.path('cut.tar'),
      Buffer.concat([archive.subarray(0, 512), tarEntry({ name: 'x' })]),
    );
    await expect(store.importImage('cut', scratch.path('cut.tar'))).rejects.toThrow();
  });
});

it('a layer compressed in a way that is not taken leaves no file open', async () => {
  const made = new Layout(scratch.path('xz'));
  const xz = Buffer.from('fd377a585a0000', 'hex');
  const layer = made.blob(xz, 'application/vnd.oci.image.layer.v1.tar+gzip');
  const rootfs = { type: 'layers', diff_ids: [digestOf(small)] };
  made.name(made.image([], { config: { rootfs }, manifest: { layers: [layer] } }));
  await expect(store.importImage('xz', await made.write())).rejects.toThrow('compressed with xz');
  const open = await runOk('ls', ['-l', `/proc/${process.pid}/fd`]);
  expect(open).not.toContain(layer.digest.slice(7));
});

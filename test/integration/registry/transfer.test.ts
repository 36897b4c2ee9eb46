// Pulls and pushes with Debian's docker-registry, and skopeo and podman at the other end.

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ImageManifest } from '../../../src/images/oci.ts';
import { parsePlatform } from '../../../src/images/platform.ts';
import { RegistryClient } from '../../../src/images/registry/client.ts';
import { registryOptions } from '../../../src/images/registry/options.ts';
import { pullImage, type TransferProgress } from '../../../src/images/registry/pull.ts';
import { pushImage } from '../../../src/images/registry/push.ts';
import { parseRemoteName } from '../../../src/images/registry/remote-name.ts';
import { sendInChunks } from '../../../src/images/registry/upload/chunks.ts';
import type { ImageStore } from '../../../src/images/store/image-store.ts';
import { lacks } from '../../fixtures/machine.ts';
import { run, runOk } from '../../fixtures/process.ts';
import { builtImage, builtLayer, digestOf, tenLayers, writeLayout } from '../images/image-builder.ts';
import { buildLayerProgram, Scratch } from '../images/scratch.ts';
import { tar } from '../images/tar-builder.ts';
import { RealRegistry, skopeo } from './real-registry.ts';

let scratch: Scratch;
let registry: RealRegistry;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
  registry = await RealRegistry.start(scratch.path('registry'));
});
afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

const options = { registry: { dockerConfigFolder: undefined, certificateFolders: [] } };
const copy = (...args: readonly string[]): Promise<string> =>
  skopeo(scratch.folder, 'copy', '--src-tls-verify=false', '--dest-tls-verify=false', ...args);
const digestAt = async (name: string): Promise<string> => {
  const raw = await skopeo(
    scratch.folder,
    'inspect',
    '--tls-verify=false',
    '--format',
    '{{.Digest}}',
    `docker://${name}`,
  );
  return raw.trim();
};

const small = tar(
  { name: 'etc/', type: '5', mode: 0o755 },
  { name: 'etc/passwd', data: 'root:x:0:0::/root:/bin/sh\n' },
);

async function published(
  name: string,
  image = builtImage(tenLayers('portable').map((layer) => builtLayer(layer))),
) {
  const layout = await writeLayout(scratch.path(`layout-${name.replaceAll(/[^a-z]/g, '-')}`), image);
  await copy(`oci:${layout}:test`, `docker://${registry.host}/${name}`);
  return image;
}

async function expectWhole(store: ImageStore, name: string, digest: string): Promise<void> {
  expect((await store.resolve(name))?.digest).toBe(digest);
  expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
}

describe.skipIf(lacks('docker-registry', 'skopeo'))('a pull', () => {
  it('brings what skopeo pushed, byte for byte, and skopeo takes back what we push', async () => {
    const image = await published('lab/ten:1');
    await using store = await scratch.openStore();
    const steps: TransferProgress[] = [];
    const name = `${registry.host}/lab/ten:1`;
    const pulled = await pullImage(store, name, {
      ...options,
      onProgress: (progress) => steps.push(progress),
    });
    const { digest } = image.manifest;
    expect(pulled).toMatchObject({
      name,
      digest,
      remoteDigest: digest,
      layers: 10,
      layersShared: 0,
      unchanged: false,
    });
    expect(pulled.bytesReceived).toBe(image.layers.reduce((sum, { blob }) => sum + blob.size, 0));
    expect(registry.requests.filter((line) => line.startsWith('GET')).length).toBeGreaterThan(10);
    await expectWhole(store, name, digest);
    expect(steps[0]?.step).toBe('resolving');
    expect(steps.at(-1)).toMatchObject({
      step: 'downloading',
      bytes: pulled.bytesReceived,
      totalBytes: pulled.bytesReceived,
    });

    const pushed = await pushImage(store, name, { ...options, to: `${registry.host}/other/ten:2` });
    expect(pushed).toMatchObject({ digest, layers: 10, layersSent: 10, layersThere: 0 });
    expect(await digestAt(`${registry.host}/other/ten:2`)).toBe(digest);
    await copy(`docker://${registry.host}/other/ten:2`, `oci:${scratch.path('back')}:x`);
    const index = JSON.parse(await readFile(scratch.path('back/index.json'), 'utf8'));
    expect(index.manifests[0].digest).toBe(digest);
  });

  it('of what is there already brings nothing, and pushes send nothing twice', async () => {
    await published('lab/ten:1');
    await using store = await scratch.openStore();
    const name = `${registry.host}/lab/ten:1`;
    await pullImage(store, name, options);
    expect(await pullImage(store, name, options)).toMatchObject({
      unchanged: true,
      bytesReceived: 0,
      layersShared: 10,
    });
    expect(await pushImage(store, name, options)).toMatchObject({
      layersSent: 0,
      layersThere: 10,
      bytesSent: 0,
    });
    const related = [name, 'debian:trixie'];
    const mounted = await pushImage(store, name, {
      ...options,
      to: `${registry.host}/lab/mounted:1`,
      related,
    });
    expect(mounted).toMatchObject({ layersSent: 0, layersMounted: 10, bytesSent: 0 });
    await copy(`docker://${registry.host}/lab/mounted:1`, `oci:${scratch.path('back')}:x`);
  });

  it('keeps docker’s kind of manifest', async () => {
    const layout = await writeLayout(scratch.path('layout'), builtImage([builtLayer(small)]));
    await copy('--format', 'v2s2', `oci:${layout}:test`, `docker://${registry.host}/lab/docker:1`);
    const digest = await digestAt(`${registry.host}/lab/docker:1`);
    await using store = await scratch.openStore();
    const pulled = await pullImage(store, `${registry.host}/lab/docker:1`, options);
    expect(pulled.digest).toBe(digest);
    await pushImage(store, `${registry.host}/lab/docker:1`, { ...options, to: `${registry.host}/again:1` });
    expect(await digestAt(`${registry.host}/again:1`)).toBe(digest);
    const raw = await skopeo(
      scratch.folder,
      'inspect',
      '--raw',
      '--tls-verify=false',
      `docker://${registry.host}/again:1`,
    );
    expect(JSON.parse(raw).mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
  });

  it.skipIf(lacks('umoci'))('makes of docker’s kind and a layer of its own one kind throughout', async () => {
    const layout = await writeLayout(scratch.path('layout'), builtImage([builtLayer(small)]));
    const base = `${registry.host}/lab/below:1`;
    await copy('--format', 'v2s2', `oci:${layout}:test`, `docker://${base}`);
    await using store = await scratch.openStore();
    await pullImage(store, base, options);
    await mkdir(scratch.path('upper'));
    await writeFile(scratch.path('upper/mine'), 'mine');
    await store.commit(scratch.path('upper'), undefined, base, { name: 'above:1' });
    const above = `${registry.host}/lab/above:1`;
    await pushImage(store, 'above:1', { ...options, to: above });
    const raw = await skopeo(scratch.folder, 'inspect', '--raw', '--tls-verify=false', `docker://${above}`);
    const { config, layers } = JSON.parse(raw) as ImageManifest;
    for (const { mediaType } of [config, ...layers]) expect(mediaType).toMatch(/^application\/vnd\.oci\./);
    expect(layers).toHaveLength(2);
    await copy('--format', 'v2s2', `docker://${above}`, `docker://${registry.host}/lab/converted:1`);
    await copy(`docker://${above}`, `oci:${scratch.path('back')}:x`);
    await runOk('umoci', ['unpack', '--image', `${scratch.path('back')}:x`, scratch.path('bundle')]);
    expect(await readFile(scratch.path('bundle/rootfs/mine'), 'utf8')).toBe('mine');
  });

  it('goes by digest, and by tag and digest', async () => {
    const { manifest } = await published('lab/ten:1');
    await using store = await scratch.openStore();
    const name = `${registry.host}/lab/ten`;
    const { digest } = manifest;
    const alone = await pullImage(store, `${name}@${digest}`, options);
    expect(alone.name).toBe(`${name}:${digest.replace(':', '-')}`);
    await expectWhole(store, `${name}@${digest}`, digest);
    expect(await pullImage(store, `${name}:9@${digest}`, options)).toMatchObject({
      name: `${name}:9`,
      digest,
    });
    expect(await pullImage(store, `${name}:1`, { ...options, as: 'base' })).toMatchObject({
      name: 'base',
      digest,
    });
    await expectWhole(store, 'base', digest);
  });

  it('by the digest of an index is found by that digest, by the manifest’s, and by id', async () => {
    const image = builtImage([builtLayer(small)]);
    const other = builtImage([builtLayer(small, 'zstd')], { config: { architecture: 's390x' } });
    await published('lab/multi:amd64', image);
    await published('lab/multi:s390x', other);
    const platform = (architecture: string) => ({ os: 'linux', architecture });
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [
          { ...image.manifest, platform: platform(process.arch === 'x64' ? 'amd64' : process.arch) },
          { ...other.manifest, platform: platform('s390x') },
        ],
      }),
    );
    const name = `${registry.host}/lab/multi`;
    const put = await fetch(`http://${registry.host}/v2/lab/multi/manifests/all`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
      body: index,
    });
    expect(put.status).toBe(201);
    await using store = await scratch.openStore();
    const digest = digestOf(index);
    const pulled = await pullImage(store, `${name}@${digest}`, options);
    expect(pulled).toMatchObject({ digest: image.manifest.digest, remoteDigest: digest, native: true });
    const hex = (text: string): string => text.slice('sha256:'.length);
    const configDigest = image.config.digest;
    for (const way of [
      `${name}@${digest}`,
      `${name}:whatever@${digest}`,
      `${name}@${image.manifest.digest}`,
      pulled.name,
      hex(image.manifest.digest).slice(0, 12),
      image.manifest.digest,
      hex(configDigest).slice(0, 12),
      configDigest,
    ]) {
      expect((await store.resolve(way))?.digest, way).toBe(image.manifest.digest);
      expect(await store.inspect(way), way).toMatchObject({ names: [pulled.name], indexDigests: [digest] });
    }
    expect(await store.resolve(hex(digest).slice(0, 12))).toBeUndefined();
    // Another name of it is found by the same digests, also when the first one is gone.
    await store.tag(`${name}@${digest}`, 'base:1');
    await store.remove(pulled.name);
    expect((await store.resolve(`other@${digest}`))?.digest).toBe(image.manifest.digest);
    // A push sends what is here: this machine's manifest, under its own digest.
    const pushed = await pushImage(store, `${name}@${digest}`, { ...options, to: `${name}:again` });
    expect(pushed.digest).toBe(image.manifest.digest);

    const foreign = { ...options, platform: parsePlatform('linux/s390x'), as: 'foreign' };
    const theirs = await pullImage(store, `${name}:all`, foreign);
    expect(theirs).toMatchObject({ digest: other.manifest.digest, platform: 'linux/s390x', native: false });
    const none = pullImage(store, `${name}:all`, { ...options, platform: parsePlatform('linux/riscv64') });
    await expect(none).rejects.toThrow(/nothing for linux\/riscv64 in it, but linux\/\w+, linux\/s390x$/);
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
    await expect(store.remove('0123456789ab')).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    await store.tag('base:1', 'base:2');
    const several = store.remove(hex(image.manifest.digest).slice(0, 12));
    await expect(several).rejects.toThrow('several names: base:1, base:2');
    await store.remove('base:2');
    expect(await store.remove(hex(image.manifest.digest).slice(0, 12))).toEqual({
      name: 'base:1',
      removed: true,
    });
    // What the index is called by never means the image for another kind of machine.
    expect(await store.resolve(`x@${digest}`)).toBeUndefined();
    expect((await store.resolve('foreign'))?.digest).toBe(other.manifest.digest);
  });

  it('of a tag that has moved follows it, and shares what stayed', async () => {
    const layers = tenLayers('portable').map((layer) => builtLayer(layer));
    await published('lab/ten:1', builtImage(layers));
    await using store = await scratch.openStore();
    const name = `${registry.host}/lab/ten:1`;
    await pullImage(store, name, options);
    const more = await published('lab/ten:1', builtImage([...layers, builtLayer(small, 'zstd')]));
    const pulled = await pullImage(store, name, options);
    expect(pulled).toMatchObject({
      unchanged: false,
      layers: 11,
      layersShared: 10,
      digest: more.manifest.digest,
    });
    await expectWhole(store, name, more.manifest.digest);
  });

  it('says what is not there', async () => {
    await using store = await scratch.openStore();
    const missing = pullImage(store, `${registry.host}/lab/none:1`, options);
    await expect(missing).rejects.toMatchObject({ code: 'E_NOT_FOUND', fault: 'missing' });
    await expect(pushImage(store, 'none', options)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  });

  it('can run twice at once, and shares the work', async () => {
    const layer = builtLayer(tar({ name: 'big', data: randomBytes(8 << 20) }));
    await published('lab/one:1', builtImage([layer, builtLayer(small)]));
    await published('lab/two:1', builtImage([layer]));
    await using store = await scratch.openStore();
    const results = await Promise.all(
      ['one', 'two', 'one'].map((name, index) =>
        pullImage(store, `${registry.host}/lab/${name}:1`, { ...options, as: `copy${index}` }),
      ),
    );
    const received = results.reduce((sum, { bytesReceived }) => sum + bytesReceived, 0);
    expect(received).toBeLessThan(layer.blob.size * 1.5);
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
  });
});

describe.skipIf(lacks('docker-registry', 'skopeo'))('a push', () => {
  it('of an image that was made here gives the same digest each time', async () => {
    await using store = await scratch.openStore();
    await writeFile(scratch.path('rootfs.tar'), small);
    await store.importRootfs('made', scratch.path('rootfs.tar'));
    const to = `${registry.host}/lab/made:1`;
    const steps = new Set<string>();
    const first = await pushImage(store, 'made', {
      ...options,
      to,
      onProgress: ({ step }) => steps.add(step),
    });
    expect([...steps]).toEqual(['resolving', 'compressing', 'uploading']);
    expect(first).toMatchObject({ target: to, layersSent: 1 });
    expect(await pushImage(store, 'made', { ...options, to })).toMatchObject({
      digest: first.digest,
      layersSent: 0,
    });
    expect(await digestAt(to)).toBe(first.digest);
    await using other = await scratch.openStore({}, 'other');
    await pullImage(other, to, { ...options, as: 'back' });
    await expectWhole(other, 'back', first.digest);
    expect((await other.resolve('back'))?.configDigest).toBe((await store.resolve('made'))?.configDigest);
  });

  it.skipIf(lacks('podman'))('is run by podman', async () => {
    await using store = await scratch.openStore();
    const layout = await writeLayout(scratch.path('layout'), builtImage([builtLayer(small)]));
    await store.importImage('local', layout);
    await pushImage(store, 'local', { ...options, to: `${registry.host}/lab/local:1` });
    const storage = [
      '--root',
      scratch.path('podman'),
      '--runroot',
      scratch.path('podman-run'),
      '--storage-driver',
      'vfs',
    ];
    const pulled = await run('podman', [
      ...storage,
      'pull',
      '--tls-verify=false',
      `${registry.host}/lab/local:1`,
    ]);
    expect(pulled.stderr.toString()).toContain('Writing manifest');
    expect(pulled.code).toBe(0);
  });

  it('in pieces arrives whole', async () => {
    await using store = await scratch.openStore();
    const image = builtImage([builtLayer(tar({ name: 'big', data: randomBytes(3 << 20) }))]);
    await store.importImage('big', await writeLayout(scratch.path('layout'), image));
    const remote = parseRemoteName(`${registry.host}/lab/big:1`);
    using client = await RegistryClient.connect(
      remote,
      registryOptions({ ...options.registry, limits: { chunkBytes: 1 << 20 } }),
    );
    const { blob, bytes } = image.layers[0] ?? { blob: image.config, bytes: Buffer.alloc(0) };
    const answer = await client.call({
      method: 'POST',
      target: `/v2/${remote.repository}/blobs/uploads/`,
      scopes: [],
      headers: { 'content-length': '0' },
      accept: [202],
    });
    answer.discard();
    const open = async () =>
      (async function* () {
        yield bytes;
      })();
    await sendInChunks(client, { repository: remote.repository, blob, open }, client.follow(answer));
    expect(await pushImage(store, 'big', { ...options, to: `${registry.host}/lab/big:1` })).toMatchObject({
      layersSent: 0,
      layersThere: 1,
    });
  });
});

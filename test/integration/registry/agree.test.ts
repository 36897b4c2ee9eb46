// Holds that import, pull, export and push take the same images: what comes in one way goes out and comes back another.

import { cp, mkdir, utimes, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pullImage } from '../../../src/images/registry/pull.ts';
import { pushImage } from '../../../src/images/registry/push.ts';
import { openImageStore } from '../../../src/images/store/image-store.ts';
import { lacks } from '../../fixtures/machine.ts';
import { runOk } from '../../fixtures/process.ts';
import { SmallDisk } from '../../fixtures/small-disk.ts';
import { type BuiltImage, builtImage, builtLayer, digestOf, writeLayout } from '../images/image-builder.ts';
import { buildLayerProgram, layerProgram, Scratch } from '../images/scratch.ts';
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
const small = tar({ name: 'etc/', type: '5', mode: 0o755 }, { name: 'etc/x', data: 'x' });
const layer = builtLayer(small);

/** The image with its manifest changed. */
function changed({ blobs, manifest, ...image }: BuiltImage, change: object): BuiltImage {
  const document = JSON.parse((blobs.get(manifest.digest) ?? '').toString());
  const bytes = Buffer.from(JSON.stringify({ ...document, ...change }));
  const digest = digestOf(bytes);
  const entries = new Map([...blobs, [digest, bytes] as const]);
  return { ...image, blobs: entries, manifest: { ...manifest, digest, size: bytes.length } };
}

async function put(name: string, { blobs, manifest }: BuiltImage): Promise<Response> {
  return await fetch(`http://${registry.host}/v2/${name}/manifests/1`, {
    method: 'PUT',
    headers: { 'content-type': manifest.mediaType },
    body: blobs.get(manifest.digest) ?? null,
  });
}

describe.skipIf(lacks('docker-registry', 'skopeo'))('layers that may not be distributed', () => {
  const plain = builtImage([layer]);
  const mediaType = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
  const bound = changed(plain, {
    layers: [{ ...layer.blob, mediaType }],
  });

  it('are imported, exported and not uploaded', async () => {
    await using store = await scratch.openStore();
    await store.importImage('bound', await writeLayout(scratch.path('bound'), bound));
    const failed = pushImage(store, 'bound', { ...options, to: `${registry.host}/lab/bound:1` });
    await expect(failed).rejects.toMatchObject({ code: 'E_USAGE', message: /may not be uploaded/ });
    expect(registry.requests.filter((line) => /^(POST|PUT|PATCH)/.test(line))).toEqual([]);
    const { stream } = await store.exportImage('bound', { format: 'oci' });
    stream.destroy();
  });

  it('are pulled from a registry that has them, and from nowhere else', async () => {
    await using store = await scratch.openStore();
    await writeLayout(scratch.path('plain'), plain);
    const target = `docker://${registry.host}/lab/bound:plain`;
    await skopeo(
      scratch.folder,
      'copy',
      '--dest-tls-verify=false',
      `oci:${scratch.path('plain')}:test`,
      target,
    );
    expect((await put('lab/bound', bound)).status).toBe(201);
    const pulled = await pullImage(store, `${registry.host}/lab/bound:1`, options);
    expect(pulled).toMatchObject({ digest: bound.manifest.digest, layers: 1 });
    // Where they are there already, nothing is uploaded.
    await pushImage(store, pulled.name, { ...options, to: `${registry.host}/lab/bound:2` });
    await using other = await scratch.openStore({}, 'other');
    await runOk('rm', [
      '-rf',
      `${registry.root}/docker/registry/v2/blobs/sha256/${layer.blob.digest.slice(7, 9)}`,
    ]);
    const failed = pullImage(other, `${registry.host}/lab/bound:1`, options);
    await expect(failed).rejects.toThrow('registries may not distribute');
  });
});

it('what follows a compressed archive is refused at its import, where nobody could pull it later', async () => {
  await using store = await scratch.openStore();
  for (const more of [Buffer.alloc(512), Buffer.from('junk'.repeat(200))]) {
    await writeFile(scratch.path('rootfs.tar.gz'), Buffer.concat([gzipSync(small), more]));
    const failed = store.importRootfs('rootfs', scratch.path('rootfs.tar.gz'));
    await expect(failed).rejects.toMatchObject({
      code: expect.stringMatching(/^E_(ARCHIVE_REFUSED|IMAGE_BROKEN)$/),
    });
  }
  expect((await store.list()).map(({ name }) => name)).toEqual(['host']);
});

it.skipIf(lacks('docker-registry', 'mkfs.ext4'))(
  'a folder with times that the store can’t hold goes out as it came in',
  async () => {
    await using disk = await SmallDisk.mount(16, ['-I', '128']);
    await mkdir(scratch.path('rootfs/etc'), { recursive: true });
    await writeFile(scratch.path('rootfs/etc/late'), 'late');
    await utimes(scratch.path('rootfs/etc/late'), 4_000_000_000.5, 4_000_000_000.5);
    await using store = await openImageStore(`${disk.mountPoint}/store`, { layerProgram });
    await store.importRootfs('late', scratch.path('rootfs'));
    await pushImage(store, 'late', { ...options, to: `${registry.host}/lab/late:1` });
    await using other = await scratch.openStore();
    const { name } = await pullImage(other, `${registry.host}/lab/late:1`, options);
    const [top] = (await other.resolve(name))?.layers ?? [];
    expect(await runOk('stat', ['-c', '%.1Y', `${top?.path}/etc/late`])).toBe('4000000000.5\n');
    await store.commit(scratch.path('rootfs'), undefined, 'late', { name: 'later' });
    await pushImage(store, 'later', { ...options, to: `${registry.host}/lab/later:1` });
    await pullImage(other, `${registry.host}/lab/later:1`, options);
    // Elsewhere it needs no blob: packing it again gives the same.
    await cp(scratch.path('rootfs'), scratch.path('plain'), { recursive: true, preserveTimestamps: true });
    await other.importRootfs('plain', scratch.path('plain'));
    const [made] = (await other.inspect('plain')).layers;
    expect(made?.digest).toBe(made?.diffId);
  },
);

it.skipIf(lacks('docker-registry', 'skopeo'))(
  'what says something of another image is listed with that',
  async () => {
    await using store = await scratch.openStore();
    const subject = builtImage([layer]);
    await store.importImage('subject', await writeLayout(scratch.path('subject'), subject));
    await pushImage(store, 'subject', { ...options, to: `${registry.host}/lab/base:1` });
    for (const [name, annotations] of [
      ['one', { about: 'one' }],
      ['two', { about: 'two' }],
    ] as const) {
      const referrer = changed(subject, { subject: subject.manifest, annotations });
      await store.importImage(name, await writeLayout(scratch.path(name), referrer));
      for (let again = 0; again < 2; again += 1) {
        await pushImage(store, name, { ...options, to: `${registry.host}/lab/base:${name}` });
      }
    }
    const tag = subject.manifest.digest.replace(':', '-');
    const raw = await skopeo(
      scratch.folder,
      'inspect',
      '--raw',
      '--tls-verify=false',
      `docker://${registry.host}/lab/base:${tag}`,
    );
    const { manifests } = JSON.parse(raw);
    expect(manifests.map((entry: { annotations: object }) => entry.annotations)).toEqual([
      { about: 'one' },
      { about: 'two' },
    ]);
  },
);

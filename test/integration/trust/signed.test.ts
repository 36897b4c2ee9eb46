// Images that the policy wants to be signed, in Debian's docker-registry and in layouts, with signatures in the places and
// forms that cosign has, and in those that an attacker would choose.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { trustRules } from '../../../src/daemon/policy/trust-rules.ts';
import { pullImage } from '../../../src/images/registry/pull.ts';
import type { ImageStore } from '../../../src/images/store/image-store.ts';
import { imagesSection } from '../../../src/policy/schema.ts';
import {
  cosignDigest,
  cosignImage,
  cosignPublicPem,
  cosignSignature,
} from '../../fixtures/images/cosign-signed.ts';
import {
  bundleCarrier,
  type Carrier,
  labKey,
  otherKey,
  type SigningKey,
  signedDocument,
  simpleCarrier,
} from '../../fixtures/images/signing.ts';
import { findProgram, lacks } from '../../fixtures/machine.ts';
import { runOk } from '../../fixtures/process.ts';
import { type BuiltImage, builtImage, builtLayer, digestOf, writeLayout } from '../images/image-builder.ts';
import { buildLayerProgram, Scratch } from '../images/scratch.ts';
import { tar } from '../images/tar-builder.ts';
import { RealRegistry, skopeo } from '../registry/real-registry.ts';

const untrusted = { code: 'E_IMAGE_UNTRUSTED' };

describe.skipIf(lacks('docker-registry', 'skopeo'))('with images_trusted', () => {
  let scratch: Scratch;
  let registry: RealRegistry;
  let store: ImageStore;
  let trusted = '';
  let unsignedLocal = 'no';
  let stores = 0;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    buildLayerProgram();
    scratch = stack.use(await Scratch.make());
    registry = stack.use(await RealRegistry.start(scratch.path('registry')));
    await writeFile(scratch.path('lab.pem'), labKey.publicPem);
    await writeFile(scratch.path('other.pem'), otherKey.publicPem);
  });
  afterAll(async () => await stack.disposeAsync());
  beforeEach(async () => {
    trusted = `${registry.host}/lab/*=lab.pem`;
    unsignedLocal = 'no';
    stores += 1;
    const rules = () => {
      const written = imagesSection.schema.parse({ images_trusted: trusted, unsigned_local: unsignedLocal });
      const {
        images_trusted: imagesTrusted = [],
        unsigned_local: local = 'no',
        registry: host,
      } = {
        ...imagesSection.defaults(),
        ...written,
      };
      return trustRules({ imagesTrusted, unsignedLocal: local, registry: host ?? 'docker.io' });
    };
    const trust = { rules, keysFolder: scratch.folder };
    store = await scratch.openStore({ trust }, `store-${stores}`);
    return async () => await store[Symbol.asyncDispose]();
  });

  const options = { registry: { dockerConfigFolder: undefined, certificateFolders: [] } };
  const pull = async (repository: string) =>
    await pullImage(store, `${registry.host}/${repository}`, options);
  const nameOf = (repository: string): string => `${registry.host}/${repository}`;
  const start = async (name: string): Promise<void> => {
    const image = await store.resolve(name);
    if (image === undefined) throw new Error(`there is no ${name}`);
    await store.requireTrusted(name, image.digest);
  };

  /** Of content that no other one has. */
  const image = (content: string): BuiltImage =>
    builtImage([
      builtLayer(tar({ name: 'etc/', type: '5', mode: 0o755 }, { name: 'etc/what', data: content })),
    ]);

  /** Copied by skopeo, and signed where there is a key. */
  const upload = async (repository: string, built: BuiltImage, key?: SigningKey): Promise<void> => {
    const folder = scratch.path(`layout-${digestOf(Buffer.from(repository)).slice(7)}`);
    const layout = await writeLayout(folder, built);
    const target = `docker://${nameOf(repository)}`;
    await skopeo(
      scratch.folder,
      'copy',
      '--preserve-digests',
      '--dest-tls-verify=false',
      `oci:${layout}`,
      target,
    );
    if (key === undefined) return;
    const [plain = ''] = repository.split(':');
    const document = signedDocument(built.manifest.digest, nameOf(plain));
    await attach(plain, signatureTag(built.manifest.digest), simpleCarrier(document, key));
  };

  const send = async (method: string, path: string, body: Buffer, type: string): Promise<void> => {
    const url = new URL(path, `http://${registry.host}`);
    const response = await fetch(url, {
      method,
      headers: { 'content-type': type },
      body: new Uint8Array(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  };

  /** Gives a carrier of signatures a tag of the repository, without skopeo. */
  const attach = async (repository: string, tag: string, { manifest, blobs }: Carrier): Promise<void> => {
    for (const blob of blobs) {
      const begun = await fetch(`http://${registry.host}/v2/${repository}/blobs/uploads/`, {
        method: 'POST',
      });
      const at = new URL(begun.headers.get('location') ?? '', `http://${registry.host}`);
      at.searchParams.set('digest', digestOf(blob));
      await send('PUT', at.href, blob, 'application/octet-stream');
    }
    const { mediaType } = JSON.parse(manifest.toString());
    await send('PUT', `/v2/${repository}/manifests/${tag}`, manifest, mediaType);
  };
  const signatureTag = (digest: string): string => `${digest.replace(':', '-')}.sig`;

  it('takes what is signed with the key, and starts it', async () => {
    await upload('lab/signed:1', image('signed'), labKey);
    await pull('lab/signed:1');
    await start(nameOf('lab/signed:1'));
  });

  it('refuses what is not signed, what another key has signed, and names that it has no key for', async () => {
    await upload('lab/plain:1', image('plain'));
    await upload('lab/foreign:1', image('foreign'), otherKey);
    await upload('else/signed:1', image('else'), labKey);
    await expect(pull('lab/plain:1')).rejects.toMatchObject(untrusted);
    await expect(pull('lab/plain:1')).rejects.toThrow('no signature of it is kept here');
    await expect(pull('lab/foreign:1')).rejects.toThrow('no signature of it is by a key');
    await expect(pull('else/signed:1')).rejects.toThrow('no entry of "images_trusted"');
    expect(await store.list()).toHaveLength(1);
  });

  it('goes by the policy of the moment: keys come and go', async () => {
    await upload('lab/rotated:1', image('rotated'), otherKey);
    const name = nameOf('lab/rotated:1');
    trusted = `${registry.host}/lab/*=lab.pem,other.pem`;
    await pull('lab/rotated:1');
    await start(name);
    trusted = `${registry.host}/lab/*=lab.pem`;
    await expect(start(name)).rejects.toMatchObject(untrusted);
    trusted = `${registry.host}/lab/*=lab.pem ${registry.host}/lab/rot*=other.pem`;
    await start(name);
    trusted = `${registry.host}/lab/*=gone.pem`;
    await expect(start(name)).rejects.toThrow(/gone\.pem does not exist/);
    await writeFile(scratch.path('damaged.pem'), labKey.publicPem.replaceAll('A', 'B'));
    trusted = `${registry.host}/lab/*=damaged.pem`;
    await expect(start(name)).rejects.toThrow('is no public key');
    trusted = 'none';
    await start(name);
  });

  it('wants a pull again of what came before there was a key for it', async () => {
    trusted = 'none';
    await upload('lab/early:1', image('early'), labKey);
    await pull('lab/early:1');
    trusted = `${registry.host}/lab/*=lab.pem`;
    await expect(start(nameOf('lab/early:1'))).rejects.toThrow('no signature of it is kept here');
    expect(await pull('lab/early:1')).toMatchObject({ unchanged: true, bytesReceived: 0 });
    await start(nameOf('lab/early:1'));
  });

  it('refuses a signature that was moved to another image, or changed', async () => {
    const [signed, victim] = [image('one'), image('two')];
    await upload('lab/moved:1', signed, labKey);
    await upload('lab/moved:2', victim);
    const document = signedDocument(signed.manifest.digest, nameOf('lab/moved'));
    const tag = signatureTag(victim.manifest.digest);
    // Of another image, as it is; with the image's digest put in; signed by nobody; and cut.
    await attach('lab/moved', tag, simpleCarrier(document, labKey));
    await expect(pull('lab/moved:2')).rejects.toMatchObject(untrusted);
    const swapped = signedDocument(victim.manifest.digest, nameOf('lab/moved'));
    const { annotations } = JSON.parse(simpleCarrier(document, labKey).manifest.toString()).layers[0];
    await attach('lab/moved', tag, simpleCarrier(swapped, labKey, { annotations }));
    await expect(pull('lab/moved:2')).rejects.toMatchObject(untrusted);
    for (const signature of ['', 'AAAA', annotations['dev.cosignproject.cosign/signature'].slice(0, 20)]) {
      const wrong = { annotations: { 'dev.cosignproject.cosign/signature': signature } };
      await attach('lab/moved', tag, simpleCarrier(swapped, labKey, wrong));
      await expect(pull('lab/moved:2')).rejects.toMatchObject(untrusted);
    }
    await attach('lab/moved', tag, simpleCarrier(swapped, labKey));
    await pull('lab/moved:2');
  });

  it('refuses an image that was signed as another one', async () => {
    const tools = image('tools');
    trusted = `${registry.host}/lab/*=lab.pem`;
    await upload('lab/tools:1', tools);
    const attachSignedAs = async (reference: string): Promise<void> =>
      await attach(
        'lab/tools',
        signatureTag(tools.manifest.digest),
        simpleCarrier(signedDocument(tools.manifest.digest, reference), labKey),
      );
    await attachSignedAs(nameOf('else/tools'));
    await expect(pull('lab/tools:1')).rejects.toThrow('it was signed with lab.pem as');
    await attachSignedAs('no name at all');
    await expect(pull('lab/tools:1')).rejects.toMatchObject(untrusted);
    await attachSignedAs(nameOf('lab/tools'));
    await pull('lab/tools:1');
  });

  it('takes a signature of the index by which the image was pulled', async () => {
    const one = image('in an index');
    await upload('lab/many:plain', one);
    const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [{ ...one.manifest, platform }],
      }),
    );
    await send('PUT', '/v2/lab/many/manifests/1', index, 'application/vnd.oci.image.index.v1+json');
    await expect(pull('lab/many:1')).rejects.toMatchObject(untrusted);
    const document = signedDocument(digestOf(index), nameOf('lab/many'));
    await attach('lab/many', signatureTag(digestOf(index)), simpleCarrier(document, labKey));
    await pull('lab/many:1');
    await start(nameOf('lab/many:1'));
    // The same image by a tag of its own was not signed; what is known of it here is that the index was.
    await store.remove(nameOf('lab/many:1'));
    await expect(pull('lab/many:plain')).rejects.toMatchObject(untrusted);
  });

  it('takes bundles that refer to the image, and none that are about something else', async () => {
    const one = image('bundled');
    await upload('lab/bundled:1', one);
    const { mediaType, digest, size } = one.manifest;
    const refer = async (carrier: Carrier): Promise<void> => {
      await attach('lab/bundled', digestOf(carrier.manifest), carrier);
      const entry = { mediaType, digest: digestOf(carrier.manifest), size: carrier.manifest.length };
      const list = {
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [entry],
      };
      const tag = digest.replace(':', '-');
      await send(
        'PUT',
        `/v2/lab/bundled/manifests/${tag}`,
        Buffer.from(JSON.stringify(list)),
        list.mediaType,
      );
    };
    const subject = { mediaType, digest, size };
    await refer(bundleCarrier(subject, otherKey));
    await expect(pull('lab/bundled:1')).rejects.toMatchObject(untrusted);
    await refer(bundleCarrier(subject, labKey, 'https://spdx.dev/Document'));
    await expect(pull('lab/bundled:1')).rejects.toMatchObject(untrusted);
    await refer(bundleCarrier(subject, labKey));
    await pull('lab/bundled:1');
    await start(nameOf('lab/bundled:1'));
  });

  it('takes a tag that was moved to what is signed, and keeps the old one until then', async () => {
    await upload('lab/tag:1', image('first'), labKey);
    const before = await pull('lab/tag:1');
    await upload('lab/tag:1', image('second'));
    await expect(pull('lab/tag:1')).rejects.toMatchObject(untrusted);
    expect((await store.resolve(nameOf('lab/tag:1')))?.digest).toBe(before.digest);
  });

  it('keeps trusted names from what is made here, and lets it run by others only where the policy says so', async () => {
    await upload('lab/base:1', image('base'), labKey);
    await pull('lab/base:1');
    const rootfs = scratch.path('made.tar');
    await writeFile(rootfs, tar({ name: 'etc/', type: '5', mode: 0o755 }));
    await expect(store.importRootfs(nameOf('lab/made:1'), rootfs)).rejects.toMatchObject(untrusted);
    await store.importRootfs('made', rootfs);
    await expect(store.tag('made', nameOf('lab/base:1'))).rejects.toMatchObject(untrusted);
    await expect(start('made')).rejects.toThrow('unsigned_local');
    await expect(start('host')).rejects.toThrow('unsigned_local');
    unsignedLocal = 'yes';
    await start('made');
    await start('host');
    await expect(store.tag('made', nameOf('lab/base:2'))).rejects.toMatchObject(untrusted);
    const upper = scratch.path('upper-of-base');
    await mkdir(upper);
    const base = nameOf('lab/base:1');
    await expect(store.commit(upper, undefined, base, { name: nameOf('lab/base:1') })).rejects.toMatchObject(
      untrusted,
    );
    await store.commit(upper, undefined, base, { name: 'work' });
    await start('work');
    // What was pulled is not made here, whatever it is called.
    await store.tag(base, nameOf('lab/again:1'));
    await expect(store.tag(base, 'renamed')).rejects.toMatchObject(untrusted);
  });

  it('finds signatures in a layout, and bears what is much too large for one', async () => {
    const one = image('in a layout');
    const { digest } = one.manifest;
    const name = nameOf('lab/layout:1');
    const layout = await writeLayout(scratch.path('signed-layout'), one);
    await expect(store.importImage(name, layout)).rejects.toMatchObject(untrusted);
    const entry = async ({ manifest, blobs }: Carrier): Promise<object> => {
      for (const blob of [manifest, ...blobs])
        await writeFile(join(layout, 'blobs/sha256', digestOf(blob).slice(7)), blob);
      const { mediaType } = one.manifest;
      const annotations = { kind: 'dev.cosignproject.cosign/sigs' };
      return { mediaType, digest: digestOf(manifest), size: manifest.length, annotations };
    };
    const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'));
    const list = async (...entries: object[]): Promise<void> =>
      await writeFile(
        join(layout, 'index.json'),
        JSON.stringify({ ...index, manifests: [...index.manifests, ...entries] }),
      );
    const huge = simpleCarrier(signedDocument(digest, 'x'.repeat(3_000_000)), labKey);
    const padded = simpleCarrier(signedDocument(digest, nameOf('lab/layout')), labKey, {
      annotations: { 'dev.cosignproject.cosign/signature': 'A'.repeat(2_000_000) },
    });
    await list(await entry(huge), await entry(padded));
    await expect(store.importImage(name, layout)).rejects.toMatchObject(untrusted);
    const good = simpleCarrier(signedDocument(digest, nameOf('lab/layout')), labKey);
    await list(await entry(huge), await entry(padded), await entry(good));
    await store.importImage(name, layout);
    await start(name);
  });

  it('takes what cosign itself has signed', async () => {
    await writeFile(scratch.path('cosign.pem'), cosignPublicPem);
    trusted = `${registry.host}/lab/*=cosign.pem`;
    const repository = 'lab/by-cosign';
    await upload(`${repository}:1`, cosignImage());
    const document = Buffer.from(cosignSignature.payload, 'base64');
    const annotations = { 'dev.cosignproject.cosign/signature': cosignSignature.signature };
    await attach(repository, signatureTag(cosignDigest), simpleCarrier(document, labKey, { annotations }));
    await expect(pull(`${repository}:1`)).rejects.toThrow(
      'it was signed with cosign.pem as "registry.example/lab/base"',
    );
    trusted += ' registry.example/lab/*=cosign.pem';
    await pull(`${repository}:1`);
    await start(nameOf(`${repository}:1`));
  });

  // Debian 13 has it, 12 has not: there the test above stands for it.
  it.runIf(findProgram('cosign') !== undefined)(
    'takes what cosign signs now, in every place',
    async () => {
      const env = {
        PATH: process.env['PATH'],
        HOME: scratch.folder,
        COSIGN_PASSWORD: 'test',
        COSIGN_EXPERIMENTAL: '1',
      };
      const cosign = async (...args: string[]): Promise<string> =>
        await runOk('cosign', args, { env, cwd: scratch.folder });
      await cosign('generate-key-pair', '--output-key-prefix', 'own');
      trusted = `${registry.host}/lab/*=own.pub`;
      const open = ['--allow-insecure-registry', '--allow-http-registry'];
      for (const [name, more] of [
        ['tagged', []],
        ['referring', ['--registry-referrers-mode=oci-1-1']],
      ] as const) {
        await upload(`lab/${name}:1`, cosignImage());
        const target = nameOf(`lab/${name}@${cosignDigest}`);
        await expect(pull(`lab/${name}:1`)).rejects.toMatchObject(untrusted);
        await cosign('sign', '--key', 'own.key', '--tlog-upload=false', '--yes', ...open, ...more, target);
        await pull(`lab/${name}:1`);
        await store.remove(nameOf(`lab/${name}:1`));
      }
      await cosign('save', ...open, '--dir', scratch.path('saved'), nameOf('lab/tagged:1'));
      await store.importImage(nameOf('lab/saved:1'), scratch.path('saved'));
      await start(nameOf('lab/saved:1'));
    },
    120_000,
  );

  it('forgets with the image what was kept of it', async () => {
    await upload('lab/gone:1', image('gone'), labKey);
    const { digest } = await pull('lab/gone:1');
    const file = scratch.path(`store-${stores}/origins/${digest.slice(7)}.json`);
    await readFile(file);
    await store.remove(nameOf('lab/gone:1'));
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

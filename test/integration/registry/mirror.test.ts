// A mirror before the default registry: used where it serves, passed over where it does not, and never told what
// is the registry's own.

import { chmod, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pullImage } from '../../../src/images/registry/pull.ts';
import { pushImage } from '../../../src/images/registry/push.ts';
import type { DockershError } from '../../../src/lib/errors.ts';
import { lacks } from '../../fixtures/machine.ts';
import { quick, type Seen, Server, send } from '../../unit/registry/server.ts';
import { type BuiltImage, builtImage, builtLayer, writeLayout } from '../images/image-builder.ts';
import { buildLayerProgram, Scratch } from '../images/scratch.ts';
import { tar } from '../images/tar-builder.ts';
import { RealRegistry, skopeo } from './real-registry.ts';

let scratch: Scratch;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
});

const layer = builtLayer(tar({ name: 'etc/', type: '5' }, { name: 'etc/passwd', data: '' }));
const image = builtImage([layer]);
const newer = builtImage([layer], { config: { author: 'newer' } });
type Instead = (seen: Seen, response: ServerResponse) => unknown;

/** Serves an image under every name; what `instead` answers, it answers. */
function serve({ blobs, manifest }: BuiltImage, instead: Instead = () => false): Promise<Server> {
  return Server.start((seen, response) => {
    if (instead(seen, response) !== false) return undefined;
    if (seen.url === '/v2/') return send(response, 200);
    const reference = seen.url.split('/').at(-1) ?? '';
    const bytes = blobs.get((reference === '1' ? manifest.digest : reference) as typeof manifest.digest);
    const headers = { 'content-type': seen.url.includes('/manifests/') ? manifest.mediaType : 'x/y' };
    return bytes === undefined ? send(response, 404) : send(response, 200, bytes, headers);
  });
}

async function pull(origin: Server, mirror: { readonly host: string }, name = 'lab/base:1') {
  await using store = await scratch.openStore();
  const warnings: DockershError[] = [];
  const registry = {
    defaultRegistry: origin.host,
    mirror: mirror.host,
    certificateFolders: [],
    dockerConfigFolder: scratch.folder,
    limits: { ...quick, headersMs: 1000, stallMs: 500 },
    warn: (failure: DockershError) => warnings.push(failure),
  };
  const pulled = await pullImage(store, name, { registry });
  expect((await store.resolve(pulled.name))?.digest).toBe(pulled.digest);
  expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
  return { pulled, warnings };
}

describe('a mirror', () => {
  it('is where images of the default registry come from, and no others', async () => {
    await using origin = await serve(image);
    await using mirror = await serve(newer);
    const { pulled, warnings } = await pull(origin, mirror);
    expect(pulled).toMatchObject({
      name: 'lab/base:1',
      digest: newer.manifest.digest,
      mirror: mirror.host,
      source: `${origin.host}/lab/base:1`,
    });
    expect(warnings).toEqual([]);
    expect(origin.seen).toEqual([]);
    await using other = await serve(image);
    const count = mirror.seen.length;
    expect((await pull(origin, mirror, `${other.host}/lab/base:1`)).pulled.mirror).toBeUndefined();
    expect(mirror.seen).toHaveLength(count);
    // Also by its full name, as docker has it.
    expect((await pull(origin, mirror, `${origin.host}/lab/full:1`)).pulled.mirror).toBe(mirror.host);
  });

  it.each([
    ['does not have it', (_, response) => send(response, 404), 'answers 404'],
    ['is broken', (_, response) => send(response, 500), 'answers 500'],
    [
      'wants a login',
      (_, response) => send(response, 401, '', { 'www-authenticate': 'Basic' }),
      'answers 401',
    ],
    ['forbids', (_, response) => send(response, 403), 'answers 403'],
    ['says nothing', () => undefined, 'no answer within'],
    ['is no registry', (_, response) => send(response, 200, '<html>'), 'not JSON'],
    [
      'leads astray',
      (_, response) => send(response, 302, '', { location: 'http://169.254.169.254/' }),
      '169.254',
    ],
    [
      'has half of it',
      ({ url }, response) => (url.endsWith(layer.blob.digest) ? send(response, 404) : false),
      'answers 404',
    ],
    [
      'lies',
      ({ url }, response) =>
        url.endsWith(layer.blob.digest) ? send(response, 200, Buffer.alloc(layer.blob.size)) : false,
      'sha256:',
    ],
    [
      'stops in the middle',
      ({ url }, response) => {
        if (!url.endsWith(layer.blob.digest)) return false;
        response.writeHead(200, { 'content-length': String(layer.blob.size) });
        response.write(Buffer.alloc(10, 'x'));
        return true;
      },
      'nothing came',
    ],
  ] satisfies [string, Instead, string][])('that %s is passed over', async (_, instead, text) => {
    await using origin = await serve(image);
    await using mirror = await serve(image, instead);
    const { pulled, warnings } = await pull(origin, mirror);
    expect(pulled.digest).toBe(image.manifest.digest);
    expect(pulled.mirror).toBeUndefined();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.message).toContain(text);
  });

  it('that is not there at all is passed over', async () => {
    await using origin = await serve(image);
    const { pulled, warnings } = await pull(origin, { host: '127.0.0.1:1' });
    expect(pulled.digest).toBe(image.manifest.digest);
    expect(warnings).toMatchObject([{ code: 'E_REGISTRY' }]);
  });

  it('never gets the credentials of the registry, and may have its own', async () => {
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
    const login =
      (wanted: string): Instead =>
      ({ headers }, response) =>
        headers.authorization === basic(wanted)
          ? false
          : send(response, 401, '', { 'www-authenticate': 'Basic realm="x"' });
    await using origin = await serve(image, login('me:secret'));
    await using mirror = await serve(image, login('cache:other'));
    const auths = { [origin.host]: { auth: Buffer.from('me:secret').toString('base64') } };
    const write = (value: object) =>
      writeFile(scratch.path('config.json'), JSON.stringify(value), { mode: 0o600 });
    await write({ auths });
    expect((await pull(origin, mirror)).pulled.mirror).toBeUndefined();
    expect(mirror.seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
    const own = { [mirror.host]: { auth: Buffer.from('cache:other').toString('base64') } };
    await write({ auths: { ...auths, ...own } });
    expect((await pull(origin, mirror)).pulled.mirror).toBe(mirror.host);
  });

  it('must serve what a digest says', async () => {
    await using origin = await serve(image);
    await using mirror = await serve(newer, ({ url }, response) =>
      url.includes('/manifests/') ? send(response, 200, newer.blobs.get(newer.manifest.digest)) : false,
    );
    const { pulled, warnings } = await pull(origin, mirror, `lab/base@${image.manifest.digest}`);
    expect(pulled.digest).toBe(image.manifest.digest);
    expect(warnings).toMatchObject([{ code: 'E_IMAGE_BROKEN' }]);
  });
});

describe.skipIf(lacks('docker-registry', 'skopeo'))('a registries.conf', () => {
  const written = async (text: string): Promise<string> => {
    const file = scratch.path('registries.conf');
    await writeFile(file, text);
    return file;
  };
  const theirs = (file: string, name: string): Promise<string> =>
    skopeo(
      scratch.folder,
      '--registries-conf',
      file,
      'inspect',
      '--no-tags',
      '--format',
      '{{.Digest}}',
      `docker://${name}`,
    );

  it('has its way as with skopeo: other places, mirrors, and what is blocked', async () => {
    await using origin = await RealRegistry.start(scratch.path('origin'));
    await using mirror = await RealRegistry.start(scratch.path('mirror'));
    for (const [name, made, { host }] of [
      ['one', image, mirror],
      ['two', newer, origin],
    ] as const) {
      const layout = await writeLayout(scratch.path(name), made);
      const target = `docker://${host}/cache/lab/${name}:1`;
      await skopeo(scratch.folder, 'copy', '--dest-tls-verify=false', `oci:${layout}:test`, target);
    }
    const file = await written(`
      unqualified-search-registries = ["registry.example"]
      [aliases]
      "first" = "registry.example/lab/one"
      [[registry]]
      prefix = "registry.example"
      location = "${origin.host}/cache"
      insecure = true
      [[registry.mirror]]
      location = '${mirror.host}/cache'
      insecure = true
      [[registry]]
      location = "registry.example/lab/secret"
      blocked = true
    `);
    await using store = await scratch.openStore();
    const warnings: DockershError[] = [];
    const registry = {
      certificateFolders: [],
      dockerConfigFolder: undefined,
      registriesFile: file,
      warn: (failure: DockershError) => warnings.push(failure),
    };
    for (const [name, made, from] of [
      ['one', image, mirror.host],
      ['two', newer, undefined],
    ] as const) {
      const pulled = await pullImage(store, `registry.example/lab/${name}:1`, { registry });
      expect(pulled).toMatchObject({ name: `registry.example/lab/${name}:1`, digest: made.manifest.digest });
      expect(pulled.mirror).toBe(from);
      expect((await theirs(file, `registry.example/lab/${name}:1`)).trim()).toBe(made.manifest.digest);
    }
    expect(warnings).toMatchObject([{ code: 'E_NOT_FOUND' }]);
    for (const [short, whole] of [
      ['first:1', 'registry.example/lab/one:1'],
      ['lab/two:1', 'registry.example/lab/two:1'],
    ] as const) {
      expect((await pullImage(store, short, { registry })).name).toBe(whole);
      expect((await pullImage(store, short, { registry, as: 'here:1' })).name).toBe('here:1');
    }
    // The policy's word goes before the file's.
    const ours = { ...registry, defaultRegistry: mirror.host };
    await expect(pullImage(store, 'first:1', { registry: ours })).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
    });
    const secret = 'registry.example/lab/secret/one:1';
    await expect(pullImage(store, secret, { registry })).rejects.toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining(`blocked in ${file}`),
    });
    await expect(theirs(file, secret)).rejects.toThrow('blocked');
  });

  it('that cannot be understood, or be trusted, stops a pull', async () => {
    await using store = await scratch.openStore();
    const pulling = async (text: string, mode = 0o644): Promise<unknown> => {
      const registriesFile = await written(text);
      await chmod(registriesFile, mode);
      const registry = { certificateFolders: [], dockerConfigFolder: undefined, registriesFile };
      return await pullImage(store, '127.0.0.1:1/lab/base:1', { registry });
    };
    await expect(pulling('[[registry]]\nblocked = maybe\n')).rejects.toThrow(
      'line 2: Invalid TOML document: invalid value',
    );
    await expect(pulling('[[registry]]\nblocked = "yes"\n')).rejects.toThrow('registry.0.blocked');
    await expect(pulling('[registries.block]\nregistries = ["127.0.0.1:1"]\n')).rejects.toThrow('version 1');
    await expect(pulling('', 0o666)).rejects.toMatchObject({ code: 'E_UNTRUSTED_PATH' });
    await expect(pulling('')).rejects.toMatchObject({ code: 'E_REGISTRY' });
  });
});

it.skipIf(lacks('docker-registry', 'skopeo'))('a real mirror serves, and pushes go past it', async () => {
  await using origin = await RealRegistry.start(scratch.path('origin'));
  await using mirror = await RealRegistry.start(scratch.path('mirror'));
  const layout = await writeLayout(scratch.path('layout'), image);
  const target = `docker://${mirror.host}/lab/base:1`;
  await skopeo(scratch.folder, 'copy', '--dest-tls-verify=false', `oci:${layout}:test`, target);
  await using store = await scratch.openStore();
  const registry = {
    defaultRegistry: origin.host,
    mirror: mirror.host,
    certificateFolders: [],
    dockerConfigFolder: undefined,
  };
  const pulled = await pullImage(store, 'lab/base:1', { registry });
  expect(pulled).toMatchObject({ digest: image.manifest.digest, mirror: mirror.host });
  expect(origin.requests).toEqual([]);
  const before = mirror.requests.length;
  await pushImage(store, 'lab/base:1', { registry });
  expect(origin.requests.some((line) => line.startsWith('PUT /v2/lab/base/manifests/1'))).toBe(true);
  expect(mirror.requests).toHaveLength(before);
});

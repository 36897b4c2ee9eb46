// Logging in to Debian's docker-registry, with TLS of our own authority.

import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PartialRegistryOptions } from '../../../src/images/registry/options.ts';
import { pullImage } from '../../../src/images/registry/pull.ts';
import { pushImage } from '../../../src/images/registry/push.ts';
import { lacks } from '../../fixtures/machine.ts';
import { runOk } from '../../fixtures/process.ts';
import { builtImage, builtLayer, writeLayout } from '../images/image-builder.ts';
import { buildLayerProgram, Scratch } from '../images/scratch.ts';
import { tar } from '../images/tar-builder.ts';
import { makeCertificates, RealRegistry, skopeo } from './real-registry.ts';

let scratch: Scratch;
const running = new AsyncDisposableStack();
const missing = lacks('docker-registry', 'skopeo', 'htpasswd', 'openssl');

beforeAll(async () => {
  if (missing) return;
  buildLayerProgram();
  scratch = running.use(await Scratch.make());
  await makeCertificates(scratch.path('tls'));
  await writeFile(scratch.path('users'), await runOk('htpasswd', ['-Bbn', 'ann', 's3cret:x']));
});
afterAll(() => running.disposeAsync());

const image = builtImage([builtLayer(tar({ name: 'etc/', type: '5' }, { name: 'etc/passwd', data: '' }))]);

async function start(name: string, secured: 'plain' | 'tls' | 'mutual', login = true): Promise<RealRegistry> {
  const registry = await RealRegistry.start(scratch.path(name), {
    ...(login && { htpasswd: scratch.path('users') }),
    ...(secured !== 'plain' && {
      tls: {
        certificate: scratch.path('tls/server.cert'),
        key: scratch.path('tls/server.key'),
        ...(secured === 'mutual' && { clientCa: scratch.path('tls/ca.crt') }),
      },
    }),
  });
  return running.use(registry);
}

async function setUp(
  name: string,
  { host }: RealRegistry,
  files: readonly string[],
  password = 's3cret:x',
): Promise<{ registry: PartialRegistryOptions }> {
  const certificates = scratch.path(name, 'certs.d');
  await mkdir(`${certificates}/${host}`, { recursive: true });
  for (const file of files) await copyFile(scratch.path('tls', file), `${certificates}/${host}/${file}`);
  const auth = Buffer.from(`ann:${password}`).toString('base64');
  await writeFile(scratch.path(name, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }));
  const certificateFolders = files.length === 0 ? [] : [certificates];
  return {
    registry: { certificateFolders, dockerConfigFolder: scratch.path(name), limits: { attempts: 2 } },
  };
}

async function roundTrip(
  name: string,
  registry: RealRegistry,
  options: { registry: PartialRegistryOptions },
) {
  await using store = await scratch.openStore({}, `${name}-store`);
  await store.importImage('local', await writeLayout(scratch.path(`${name}-layout`), image));
  const to = `${registry.host}/lab/base:1`;
  const pushed = await pushImage(store, 'local', { ...options, to });
  const pulled = await pullImage(store, to, options);
  expect([pushed.digest, pulled.digest]).toEqual([image.manifest.digest, image.manifest.digest]);
}

describe.skipIf(missing)('docker-registry', () => {
  it('with htpasswd, on this machine without TLS', async () => {
    const registry = await start('basic', 'plain');
    await roundTrip('basic', registry, await setUp('basic', registry, []));
    const copied = skopeo(
      scratch.folder,
      'copy',
      '--src-tls-verify=false',
      '--src-creds=ann:s3cret:x',
      `docker://${registry.host}/lab/base:1`,
      `oci:${scratch.path('basic-copy')}:x`,
    );
    await expect(copied).resolves.toContain('');
  });

  it('with a wrong password, and with none', async () => {
    const registry = await start('wrong', 'plain');
    await using store = await scratch.openStore({}, 'wrong-store');
    const name = `${registry.host}/lab/base:1`;
    const wrong = await setUp('wrong', registry, [], 'not it');
    await expect(pullImage(store, name, wrong)).rejects.toMatchObject({ fault: 'denied' });
    const none = { registry: { certificateFolders: [], dockerConfigFolder: undefined } };
    await expect(pullImage(store, name, none)).rejects.toThrow('a login is needed');
  });

  it('with what skopeo has logged in to, before docker’s own', async () => {
    const registry = await start('auth-json', 'plain');
    const file = scratch.path('auth-json', 'auth.json');
    const login = ['login', '--tls-verify=false', '--authfile', file, '-u', 'ann', '-p', 's3cret:x'];
    await skopeo(scratch.folder, ...login, registry.host);
    const { registry: options } = await setUp('auth-json', registry, [], 'not it');
    await roundTrip('auth-json', registry, { registry: { ...options, authFiles: [file] } });
    // A login may be for a part of a registry alone, and another part have another one.
    const entry = (password: string) => ({ auth: Buffer.from(`ann:${password}`).toString('base64') });
    const auths = { [registry.host]: entry('not it'), [`${registry.host}/lab`]: entry('s3cret:x') };
    await writeFile(file, JSON.stringify({ auths }), { mode: 0o600 });
    const parts = { registry: { ...options, dockerConfigFolder: undefined, authFiles: [file] } };
    await using store = await scratch.openStore({}, 'auth-json-parts');
    await pullImage(store, `${registry.host}/lab/base:1`, parts);
    await expect(pullImage(store, `${registry.host}/other/base:1`, parts)).rejects.toMatchObject({
      fault: 'denied',
    });
  });

  it('at an IPv6 address', async () => {
    await using registry = await RealRegistry.start(scratch.path('ipv6'), { address: '[::1]' });
    await roundTrip('ipv6', registry, {
      registry: { certificateFolders: [], dockerConfigFolder: undefined },
    });
    await using store = await scratch.openStore({}, 'ipv6-store');
    expect((await store.resolve(`${registry.host}/lab/base:1`))?.digest).toBe(image.manifest.digest);
  });

  it('with TLS of our own authority', async () => {
    const registry = await start('tls', 'tls');
    await roundTrip('tls', registry, await setUp('tls', registry, ['ca.crt']));
  });

  it('with TLS that nobody vouches for is not believed, nor asked in the clear', async () => {
    const registry = await start('untrusted', 'tls', false);
    await using store = await scratch.openStore({}, 'untrusted-store');
    const pull = pullImage(store, `${registry.host}/lab/base:1`, await setUp('untrusted', registry, []));
    await expect(pull).rejects.toMatchObject({ fault: 'unreachable' });
    await expect(pull).rejects.toThrow('no trusted TLS connection');
    expect(registry.requests).toEqual([]);
  });

  it('without TLS is refused where certificates say that it should have it', async () => {
    const registry = await start('expected', 'plain');
    await using store = await scratch.openStore({}, 'expected-store');
    const pull = pullImage(
      store,
      `${registry.host}/lab/base:1`,
      await setUp('expected', registry, ['ca.crt']),
    );
    await expect(pull).rejects.toThrow('it speaks no TLS');
    expect(registry.requests).toEqual([]);
  });

  it('that wants a client certificate', async () => {
    const registry = await start('mutual', 'mutual', false);
    const files = ['ca.crt', 'client.cert', 'client.key'];
    await roundTrip('mutual', registry, await setUp('mutual', registry, files));
    await using store = await scratch.openStore({}, 'mutual-other');
    const without = await setUp('mutual-without', registry, ['ca.crt']);
    await expect(pullImage(store, `${registry.host}/lab/base:1`, without)).rejects.toMatchObject({
      fault: 'unreachable',
    });
  });

  it('with certificates that others could change is not talked to', async () => {
    const registry = await start('writable', 'tls', false);
    const options = await setUp('writable', registry, ['ca.crt']);
    await runOk('chmod', ['666', scratch.path('writable/certs.d', registry.host, 'ca.crt')]);
    await using store = await scratch.openStore({}, 'writable-store');
    await expect(pullImage(store, `${registry.host}/lab/base:1`, options)).rejects.toMatchObject({
      code: 'E_UNTRUSTED_PATH',
    });
  });
});

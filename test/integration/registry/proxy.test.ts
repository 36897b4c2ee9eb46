// Pulls and pushes through a proxy, with Debian's docker-registry behind it, and proxies that do harm.

import { copyFile, mkdir } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PartialRegistryOptions } from '../../../src/images/registry/options.ts';
import { pullImage } from '../../../src/images/registry/pull.ts';
import { pushImage } from '../../../src/images/registry/push.ts';
import { lacks } from '../../fixtures/machine.ts';
import { failure, Server, send } from '../../unit/registry/server.ts';
import { builtImage, builtLayer, writeLayout } from '../images/image-builder.ts';
import { buildLayerProgram, Scratch } from '../images/scratch.ts';
import { tar } from '../images/tar-builder.ts';
import { ProxyServer, type ProxySetup } from './proxy-server.ts';
import { makeCertificates, RealRegistry } from './real-registry.ts';

let scratch: Scratch;
let plain: RealRegistry;
let secure: RealRegistry;
let stores = 0;
const running = new AsyncDisposableStack();
const missing = lacks('docker-registry', 'openssl');
const image = builtImage([builtLayer(tar({ name: 'etc/', type: '5' }, { name: 'etc/passwd', data: '' }))]);

beforeAll(async () => {
  if (missing) return;
  buildLayerProgram();
  scratch = running.use(await Scratch.make());
  await makeCertificates(scratch.path('tls'));
  const tls = { certificate: scratch.path('tls/server.cert'), key: scratch.path('tls/server.key') };
  plain = running.use(await RealRegistry.start(scratch.path('plain')));
  secure = running.use(await RealRegistry.start(scratch.path('secure'), { tls }));
  for (const name of ['registry.test', plain.host, secure.host]) {
    await mkdir(scratch.path('certs.d', name), { recursive: true });
    if (name !== plain.host)
      await copyFile(scratch.path('tls/ca.crt'), scratch.path('certs.d', name, 'ca.crt'));
  }
}, 60_000);
afterAll(() => running.disposeAsync());
beforeEach(() => {
  stores += 1;
});

const portOf = ({ host }: RealRegistry): number => Number(host.split(':')[1]);

function through(
  proxy: { readonly url: string },
  more: PartialRegistryOptions = {},
): { registry: PartialRegistryOptions } {
  return {
    registry: {
      dockerConfigFolder: undefined,
      certificateFolders: [],
      ...more,
      proxies: { proxy: proxy.url, noProxy: [], ...more.proxies },
      limits: { attempts: 2, backoffMs: 10, connectMs: 1500, ...more.limits },
    },
  };
}

async function withStore<T>(
  work: (store: Awaited<ReturnType<Scratch['openStore']>>) => Promise<T>,
): Promise<T> {
  await using store = await scratch.openStore({}, `store-${stores}`);
  return await work(store);
}

/** Pulls a name through a proxy of its own, and tells what the proxy saw. */
async function pulling(
  setup: ProxySetup,
  name: string,
  more: PartialRegistryOptions = {},
  signal?: AbortSignal,
) {
  await using proxy = await ProxyServer.start(setup);
  const outcome = await withStore((store) =>
    pullImage(store, name, { ...through(proxy, more), as: 'x', signal }),
  ).catch((error: unknown) => error as Error & Record<string, unknown>);
  return { outcome, seen: proxy.seen };
}

describe.skipIf(missing)('a registry behind a proxy', () => {
  it('is reached with TLS from end to end', async () => {
    const certificates = { certificateFolders: [scratch.path('certs.d')] };
    const hosts = { 'registry.test:443': portOf(secure) };
    await using proxy = await ProxyServer.start({ hosts, login: 'me@lab:s3cret' });
    const url = proxy.url.replace('//', '//me%40lab:s3cret@');
    const options = through({ url }, certificates);
    await withStore(async (store) => {
      await store.importImage('local', await writeLayout(scratch.path(`layout-${stores}`), image));
      await pushImage(store, 'local', { ...options, to: 'registry.test/lab/base:1' });
      const pulled = await pullImage(store, 'registry.test/lab/base:1', { ...options, as: 'back' });
      expect(pulled.digest).toBe(image.manifest.digest);
    });
    expect(new Set(proxy.seen)).toEqual(new Set(['CONNECT registry.test:443']));
    // The certificate is still the registry's to show, and ours to check.
    const { outcome } = await pulling({ hosts }, 'registry.test/lab/base:1');
    expect(outcome).toMatchObject({ fault: 'unreachable', code: 'E_REGISTRY' });
    expect((outcome as Error).message).toContain('no trusted TLS connection');
    const other = { 'elsewhere.test:443': portOf(secure) };
    const { outcome: wrongName } = await pulling({ hosts: other }, 'elsewhere.test/lab/base:1', certificates);
    expect(wrongName).toMatchObject({ fault: 'unreachable' });
  });

  it('is spoken to in the clear only where policy lists it', async () => {
    const hosts = { 'registry.test:5000': portOf(plain), 'registry.test:80': portOf(plain) };
    for (const [name, setup] of [
      ['registry.test:5000', { hosts }],
      // A proxy that makes no tunnels there, or none at all.
      ['registry.test', { hosts: { 'registry.test:80': portOf(plain) } }],
    ] as const) {
      const listed = { plainHttpHosts: ['registry.test'] };
      await using proxy = await ProxyServer.start(setup);
      await withStore(async (store) => {
        await store.importImage('local', await writeLayout(scratch.path(`layout-${name}`), image));
        await pushImage(store, 'local', { ...through(proxy, listed), to: `${name}/lab/plain:1` });
        const pulled = await pullImage(store, `${name}/lab/plain:1`, {
          ...through(proxy, listed),
          as: 'back',
        });
        expect(pulled.digest).toBe(image.manifest.digest);
      });
      expect(proxy.seen.some((line) => line.startsWith(`GET http://${name}/v2/lab/plain`))).toBe(true);
      const { outcome, seen } = await pulling(setup, `${name}/lab/plain:1`);
      expect(['refused', 'unreachable']).toContain((outcome as Record<string, unknown>)['fault']);
      expect(seen.filter((line) => !line.startsWith('CONNECT'))).toEqual([]);
    }
  });

  it('on this machine is not behind it', async () => {
    const { outcome, seen } = await pulling({ hosts: {} }, `${plain.host}/lab/none:1`);
    expect(outcome).toMatchObject({ fault: 'missing' });
    expect(seen).toEqual([]);
  });

  it('is reached directly where it is excepted', async () => {
    const hosts = { 'registry.test:443': portOf(secure) };
    const proxies = { noProxy: ['test'] } as never;
    const { outcome, seen } = await pulling({ hosts }, 'registry.test/lab/base:1', { proxies });
    expect(outcome).toMatchObject({ fault: 'unreachable' });
    expect(seen).toEqual([]);
  });

  it.each([
    'http://127.0.0.1:PORT/x',
    'https://127.0.0.1:PORT/x',
    'http://localhost:PORT/x',
    'http://[::1]:PORT/',
  ])('cannot lead us to this machine: %s', async (text) => {
    await using inside = await Server.start((_, response) => send(response, 200, 'secret'));
    const location = text.replace('PORT', inside.host.split(':')[1] ?? '');
    await using server = await Server.start(({ url }, response) =>
      url === '/v2/' ? send(response, 200) : send(response, 307, '', { location }),
    );
    const hosts = { 'registry.test:80': Number(server.host.split(':')[1]) };
    const listed = { plainHttpHosts: ['registry.test'] };
    const { outcome } = await pulling({ hosts }, 'registry.test/lab/base:1', listed);
    expect(outcome).toMatchObject({ fault: 'astray', code: 'E_REGISTRY' });
    expect((outcome as Error).message).toContain('it is on this machine');
    expect(inside.seen).toEqual([]);
  });

  it('cannot have us log in on this machine', async () => {
    await using inside = await Server.start((_, response) => send(response, 200, '{"token":"x"}'));
    const challenge = `Bearer realm="${inside.origin}/token",service="x"`;
    await using server = await Server.start((_, response) =>
      send(response, 401, '', { 'www-authenticate': challenge }),
    );
    const hosts = { 'registry.test:80': Number(server.host.split(':')[1]) };
    const { outcome } = await pulling({ hosts }, 'registry.test/lab/base:1', {
      plainHttpHosts: ['registry.test'],
    });
    expect(outcome).toMatchObject({ fault: 'astray' });
    expect(inside.seen).toEqual([]);
  });
});

describe.skipIf(missing)('a proxy', () => {
  const name = 'registry.test/lab/base:1';

  it('that wants a login is named, without the password that it got', async () => {
    await using proxy = await ProxyServer.start({ hosts: {}, login: 'a:b' });
    const url = proxy.url.replace('//', '//me:s3cret@');
    for (const plainHttpHosts of [[], ['registry.test']]) {
      const error = await failure(
        withStore((store) => pullImage(store, name, through({ url }, { plainHttpHosts }))),
      );
      expect(error).toMatchObject({ fault: 'denied', code: 'E_REGISTRY_DENIED' });
      expect(`${error.message} ${error['hint']} ${error.stack}`).not.toContain('s3cret');
    }
  });

  it('that is not there is named', async () => {
    const error = await failure(
      withStore((store) => pullImage(store, name, through({ url: 'http://127.0.0.1:1' }))),
    );
    expect(error).toMatchObject({ fault: 'unreachable', code: 'E_REGISTRY' });
    expect(error.message).toContain('the proxy http://127.0.0.1:1: connect ECONNREFUSED');
  });

  it.each([
    ['says nothing', () => undefined, 'no tunnel within 0.3 s'],
    ['says nothing of TLS', (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n'), 'no tunnel within 0.3 s'],
    ['hangs up', (socket) => socket.end(), 'the proxy http://127.0.0.1'],
    ['answers something else', (socket) => socket.end('SSH-2.0-x\r\n'), 'the proxy http://127.0.0.1'],
    ['forbids', (socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'), 'answers 403'],
    [
      'redirects',
      (socket) => socket.end('HTTP/1.1 302 x\r\nLocation: http://127.0.0.1/\r\n\r\n'),
      'answers 302',
    ],
    [
      'speaks for the registry',
      (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'),
      'sends more than an answer',
    ],
    [
      'has an endless head',
      (socket) => socket.write(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(50_000)}`),
      'the proxy http://127.0.0.1',
    ],
  ] satisfies [string, NonNullable<ProxySetup['onConnect']>, string][])(
    'that %s is given up',
    async (_, onConnect, text) => {
      const started = performance.now();
      const { outcome, seen } = await pulling({ hosts: {}, onConnect }, name, { limits: { connectMs: 300 } });
      expect((outcome as Error).message).toContain(text);
      expect(outcome).toMatchObject({ code: 'E_REGISTRY' });
      expect(performance.now() - started).toBeLessThan(5000);
      expect(new Set(seen)).toEqual(new Set(['CONNECT registry.test:443']));
    },
  );

  it('that says nothing does not keep an abort waiting', async () => {
    const abort = new AbortController();
    const onConnect = (): void => void setTimeout(() => abort.abort(new Error('enough')), 50);
    const started = performance.now();
    const { outcome } = await pulling(
      { hosts: {}, onConnect },
      name,
      { limits: { connectMs: 8000 } },
      abort.signal,
    );
    expect((outcome as Error).message).toBe('enough');
    expect(performance.now() - started).toBeLessThan(4000);
  });
});

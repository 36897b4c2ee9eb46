// Registries as an administrator meets them: policy and dockershctl, through a real daemon.

import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { describeFinished } from '../../fixtures/process.ts';
import { ProxyServer } from '../registry/proxy-server.ts';
import { RealRegistry } from '../registry/real-registry.ts';
import { VerbsHost } from './verbs-host.ts';

interface Pulled {
  name: string;
  digest: string;
  remoteDigest: string;
  mirror: string | null;
}

describe.skipIf(lacks('busybox', 'docker-registry'))('a registry', () => {
  const running = new AsyncDisposableStack();
  let verbs: VerbsHost;
  let registry: RealRegistry;
  let indexDigest: string;
  const ctl = async (...args: string[]) => await verbs.host.ctlOk(...args);
  const policy = (image: string, ...lines: string[]): Promise<void> =>
    verbs.host.setPolicy(
      `[defaults]\nimage = ${image}\n[images]\nregistry = ${registry.host}\n${lines.join('\n')}\n`,
    );

  beforeAll(async () => {
    verbs = running.use(await VerbsHost.start());
    const folder = join(verbs.host.folder, 'registry');
    await mkdir(folder);
    registry = running.use(await RealRegistry.start(folder));
    await policy('host');
    await ctl('image', 'import', 'made', await verbs.rootfs('made', { '/etc/release': 'one\n' }));
    const pushed = (await ctl('image', 'push', 'made', `${registry.host}/lab/base:1`)) as Pulled;
    const manifest = await fetch(`http://${registry.host}/v2/lab/base/manifests/${pushed.digest}`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    const bytes = Buffer.from(await manifest.arrayBuffer());
    const mediaType = manifest.headers.get('content-type') ?? '';
    const entry = (architecture: string) => ({
      mediaType,
      digest: pushed.digest,
      size: bytes.length,
      platform: { os: 'linux', architecture },
    });
    const index = { schemaVersion: 2, manifests: [entry('amd64'), entry('arm64')] };
    const type = 'application/vnd.oci.image.index.v1+json';
    const put = await fetch(`http://${registry.host}/v2/lab/base/manifests/all`, {
      method: 'PUT',
      headers: { 'content-type': type },
      body: JSON.stringify({ ...index, mediaType: type }),
    });
    indexDigest = put.headers.get('docker-content-digest') ?? '';
    await ctl('image', 'rm', 'made');
  }, 180_000);
  afterAll(() => running.disposeAsync(), 60_000);

  it('gives an image that the policy pins by the digest of its index', async () => {
    const pinned = `lab/base@${indexDigest}`;
    const pulled = (await ctl('image', 'pull', pinned)) as Pulled;
    expect(pulled).toMatchObject({ remoteDigest: indexDigest, mirror: null });
    await policy(pinned);
    expect(await verbs.inside('cat /etc/release')).toBe('one\n');
    expect(await ctl('image', 'inspect', pinned)).toMatchObject({ indexDigests: [indexDigest] });
    const listed = (await verbs.plain('image', 'ls')).stdout.toString();
    const id = /lab\/base +sha256-[0-9a-f]+ +([0-9a-f]{12}) /.exec(listed)?.[1] ?? '';
    expect(await ctl('image', 'inspect', id)).toMatchObject({ digest: pulled.digest });
    const foreign = await verbs.plain('image', 'pull', 'lab/base:all', '--platform', 'linux/mips64le');
    expect(foreign.code).toBe(66);
    expect(foreign.stderr.toString()).toContain('but linux/amd64, linux/arm64');
    expect((await verbs.plain('image', 'pull', 'lab/base:all', '--platform', 'vax')).code).toBe(66);
    expect((await verbs.plain('image', 'pull', 'lab/base:all', '--platform', 'beos/x')).code).toBe(64);
  });

  it('is asked by way of the policy’s proxy and mirror, and their failures are told', async () => {
    const port = Number(registry.host.split(':')[1]);
    await using proxy = await ProxyServer.start({ hosts: { 'registry.test:5000': port } });
    const plain = 'plain_http = registry.test mirror.test';
    await policy('host', plain, `proxy = ${proxy.url}`);
    const pulled = (await ctl(
      'image',
      'pull',
      'registry.test:5000/lab/base:1',
      '--as',
      'by-proxy',
    )) as Pulled;
    expect(pulled.name).toBe('by-proxy');
    expect(proxy.seen).toContain('GET http://registry.test:5000/v2/lab/base/manifests/1');

    await policy('host', plain, `proxy = ${proxy.url}`, 'mirror = registry.test:5000');
    const mirrored = await verbs.plain('image', 'pull', 'lab/base:1');
    expect(mirrored.stdout.toString(), describeFinished(mirrored)).toContain(
      `${registry.host}/lab/base:1, by way of registry.test:5000\n`,
    );
    await policy('host', plain, `proxy = ${proxy.url}`, 'mirror = mirror.test');
    const passed = await verbs.plain('image', 'pull', 'lab/base:1', '--progress', 'plain');
    expect(passed.code, describeFinished(passed)).toBe(0);
    expect(passed.stderr.toString()).toMatch(/Warning: .*mirror\.test.* answers 502/);
    const warned = verbs.host
      .logRecords()
      .filter(({ event, code }) => event === 'registry' && code === 'E_REGISTRY');
    expect(warned.length).toBeGreaterThan(0);
  });

  it('that fails ends dockershctl with a status of its own', async () => {
    await policy('host', 'proxy = none');
    const status = async (name: string) => (await verbs.plain('image', 'pull', name)).code;
    expect(await status('127.0.0.1:1/lab/base:1')).toBe(69);
    expect(await status('lab/none:1')).toBe(66);
    expect(await status('lab/BASE')).toBe(64);
    const folder = join(verbs.host.folder, 'wants-login');
    await mkdir(folder);
    await writeFile(
      join(folder, 'users'),
      'x:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n',
    );
    await using closed = await RealRegistry.start(folder, { htpasswd: join(folder, 'users') });
    const denied = await verbs.plain('image', 'pull', `${closed.host}/lab/base:1`);
    expect(denied.code).toBe(77);
    expect(denied.stderr.toString()).toContain('[E_REGISTRY_DENIED]');
    await copyFile('/bin/true', join(verbs.host.folder, 'program'));
    const text = await verbs.plain('image', 'import', 'x', join(verbs.host.folder, 'program'));
    expect(text.code).toBe(65);
  });
});

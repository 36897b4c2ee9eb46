// Manifests that are taken, and those that are refused by name.

import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/images/digest.ts';
import { parsePlatform } from '../../../src/images/platform.ts';
import { fetchImage, putManifest } from '../../../src/images/registry/manifests.ts';
import {
  configType,
  connect,
  descriptorOf,
  failure,
  type Handler,
  indexType,
  layerType,
  manifestBytes,
  manifestType,
  repository,
  Server,
  send,
} from './server.ts';

type Documents = Readonly<
  Record<string, { readonly bytes: string | Buffer; readonly type?: string; readonly headers?: object }>
>;

function serving(documents: Documents): Handler {
  return ({ url }, response) => {
    if (url === '/v2/') return send(response, 200, '{}');
    const found = documents[url.replace('/v2/lab/base/manifests/', '')];
    if (found === undefined) return send(response, 404);
    return send(response, 200, found.bytes, { 'content-type': found.type ?? manifestType, ...found.headers });
  };
}

async function fetchFrom(documents: Documents, reference = 'latest', limits = {}, platform = 'amd64') {
  await using server = await Server.start(serving(documents));
  using client = await connect(server, { limits });
  return await fetchImage(client, repository, reference, parsePlatform(platform));
}

const bytes = manifestBytes();
const descriptor = descriptorOf(bytes, manifestType);
const layer = { mediaType: layerType, digest: digestOf('x'), size: 1 };

function indexOf(...platforms: readonly object[]): Buffer {
  const manifests = platforms.map((platform) => ({ ...descriptor, platform }));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }));
}

describe('manifests', () => {
  it('are kept byte for byte, with the type they say themselves', async () => {
    const odd = Buffer.from(`${bytes.toString().replaceAll(',', ' ,\n')}\n`);
    const image = await fetchFrom({ latest: { bytes: odd, type: `${manifestType}; charset=utf-8` } });
    expect(image.bytes.equals(odd)).toBe(true);
    expect(image.descriptor).toEqual({ mediaType: manifestType, digest: digestOf(odd), size: odd.length });
    expect(image.indexes).toEqual([]);
    const docker = 'application/vnd.docker.distribution.manifest.v2+json';
    const plain = manifestBytes({ mediaType: undefined });
    expect((await fetchFrom({ latest: { bytes: plain, type: docker } })).descriptor.mediaType).toBe(docker);
    const bare = await fetchFrom({ latest: { bytes: plain, type: 'text/plain' } });
    expect(bare.descriptor.mediaType).toBe(manifestType);
  });

  it('are chosen from an index by platform', async () => {
    const index = indexOf(
      { os: 'windows', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64', variant: 'v8' },
      { os: 'unknown', architecture: 'unknown' },
      { os: 'linux', architecture: 'amd64' },
    );
    const documents = { latest: { bytes: index, type: indexType }, [descriptor.digest]: { bytes } };
    const image = await fetchFrom(documents);
    expect(image.descriptor.digest).toBe(descriptor.digest);
    expect(image.indexes.map((one) => one.descriptor.digest)).toEqual([digestOf(index)]);
  });

  it('of another kind of machine are chosen by its name, and a variant where that is said', async () => {
    const [first, second] = [
      manifestBytes({ annotations: { v: '7' } }),
      manifestBytes({ annotations: { v: '6' } }),
    ];
    const arm = { os: 'linux', architecture: 'arm' };
    const entries = [
      { ...descriptorOf(first, manifestType), platform: { ...arm, variant: 'v7' } },
      { ...descriptorOf(second, manifestType), platform: { ...arm, variant: 'v6' } },
    ];
    const index = JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: entries });
    const documents = {
      latest: { bytes: index, type: indexType },
      [digestOf(first)]: { bytes: first },
      [digestOf(second)]: { bytes: second },
    };
    const fetched = async (platform: string) =>
      (await fetchFrom(documents, 'latest', {}, platform)).descriptor.digest;
    expect(await fetched('linux/arm/v6')).toBe(digestOf(second));
    expect(await fetched('arm')).toBe(digestOf(first));
    expect(await fetched('linux/arm/v8')).toBe(digestOf(first));
    const error = await failure(fetched('linux/arm/v5'));
    expect(error.message).toContain('nothing for linux/arm/v5 in it, but linux/arm/v7, linux/arm/v6');
  });

  it('that are not in the index are missed by name', async () => {
    const index = indexOf(
      { os: 'linux', architecture: 's390x' },
      { os: 'windows', architecture: 'amd64' },
      { os: 'unknown', architecture: 'unknown' },
    );
    const error = await failure(fetchFrom({ latest: { bytes: index, type: indexType } }));
    expect(error).toMatchObject({ fault: 'missing', code: 'E_NOT_FOUND' });
    expect(error.message).toMatch(/nothing for linux\/amd64 in it, but linux\/s390x, windows\/amd64$/);
  });

  it('of an index inside an index are found, with and without a platform there', async () => {
    const index = indexOf({ os: 'linux', architecture: 'amd64' });
    const inner = descriptorOf(index, indexType);
    const other = { ...descriptor, digest: `sha512:${'0'.repeat(128)}` };
    const elsewhere = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [other] }));
    for (const platform of [{ os: 'linux', architecture: 'amd64' }, undefined]) {
      const manifests = [other, descriptorOf(elsewhere, indexType), { ...inner, platform }];
      const outer = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }));
      const documents = {
        latest: { bytes: outer, type: indexType },
        [digestOf(index)]: { bytes: index, type: indexType },
        [digestOf(elsewhere)]: { bytes: elsewhere, type: indexType },
        [descriptor.digest]: { bytes },
      };
      const found = await fetchFrom(documents);
      expect(found.descriptor.digest).toBe(descriptor.digest);
      expect(found.indexes[0]?.descriptor.digest).toBe(digestOf(outer));
      expect(found.indexes.at(-1)?.descriptor.digest).toBe(digestOf(index));
    }
  });

  it('are not looked for in indexes without end, nor in signatures beside them', async () => {
    let asked = 0;
    await using server = await Server.start(({ url }, response) => {
      if (url === '/v2/') return send(response, 200, '{}');
      asked += 1;
      const next = descriptorOf(Buffer.from(`${asked}`), indexType);
      const body = JSON.stringify({ schemaVersion: 2, manifests: Array(50).fill(next), asked });
      return send(response, 200, url.endsWith('latest') ? body : '{}', { 'content-type': indexType });
    });
    using client = await connect(server);
    await failure(fetchImage(client, repository, 'latest', parsePlatform('amd64')));
    expect(asked).toBeLessThan(40);
    const signature = manifestBytes({
      layers: [{ ...layer, mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json' }],
    });
    const manifests = [descriptorOf(signature, manifestType), descriptor];
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }));
    const documents = {
      latest: { bytes: index, type: indexType },
      [digestOf(signature)]: { bytes: signature },
      [descriptor.digest]: { bytes },
      signature: { bytes: signature },
    };
    expect((await fetchFrom(documents)).descriptor.digest).toBe(descriptor.digest);
    expect((await failure(fetchFrom(documents, 'signature'))).message).toContain('no image but a signature');
  });

  it('by digest must have it', async () => {
    const other = digestOf('other');
    expect((await fetchFrom({ [descriptor.digest]: { bytes } }, descriptor.digest)).bytes.equals(bytes)).toBe(
      true,
    );
    const error = await failure(fetchFrom({ [other]: { bytes } }, other));
    expect(error).toMatchObject({ fault: 'broken', code: 'E_IMAGE_BROKEN' });
    expect(error.message).toContain(other);
  });

  it('must have the digest that the registry claims, and the size that the index says', async () => {
    const headers = { 'docker-content-digest': digestOf('other') };
    expect(await failure(fetchFrom({ latest: { bytes, headers } }))).toMatchObject({ fault: 'broken' });
    const platform = { os: 'linux', architecture: 'amd64' };
    const index = JSON.stringify({ schemaVersion: 2, manifests: [{ ...descriptor, size: 5, platform }] });
    const documents = { latest: { bytes: index, type: indexType }, [descriptor.digest]: { bytes } };
    expect((await failure(fetchFrom(documents))).message).toContain('its index says 5');
  });

  it.each([
    ['no JSON', 'hello', 'answer', 'not JSON'],
    ['a list', '[]', 'answer', 'not JSON'],
    ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'answer', 'not JSON'],
    ['empty', '', 'answer', 'not JSON'],
    ['deep', '['.repeat(100_000), 'answer', 'not JSON'],
    ['no manifest', '{}', 'answer', 'no valid manifest'],
    ['of version 3', manifestBytes({ schemaVersion: 3 }), 'answer', 'no valid manifest'],
    ['schema 1', '{"schemaVersion":1,"fsLayers":[]}', 'refused', 'schema 1'],
    ['both', manifestBytes({ manifests: [] }), 'answer', 'at once'],
    [
      'with a wrong digest',
      manifestBytes({ layers: [{ ...layer, digest: 'sha256:../../x' }] }),
      'answer',
      'valid',
    ],
    ['with a negative size', manifestBytes({ layers: [{ ...layer, size: -1 }] }), 'answer', 'valid'],
    ['with too many layers', manifestBytes({ layers: Array(257).fill(layer) }), 'limit', '257 layers'],
    ['too large', manifestBytes({ layers: [{ ...layer, size: 2 ** 50 }] }), 'limit', 'bytes, the limit'],
    [
      'with a huge configuration',
      manifestBytes({ config: { ...layer, mediaType: configType, size: 2 ** 30 } }),
      'limit',
      'configuration',
    ],
    [
      'no image',
      manifestBytes({ config: { ...layer, mediaType: 'application/vnd.cncf.helm.config.v1+json' } }),
      'refused',
      'helm',
    ],
    [
      'with encrypted layers',
      manifestBytes({ layers: [{ ...layer, mediaType: `${layerType}+encrypted` }] }),
      'refused',
      'encrypted',
    ],
    [
      'of another kind',
      manifestBytes({ mediaType: 'application/x' }),
      'refused',
      'of the kind application/x',
    ],
  ])('%s', async (_, body, fault, text) => {
    const error = await failure(fetchFrom({ latest: { bytes: body } }));
    expect(error).toMatchObject({ fault });
    expect(error.message).toContain(text);
  });

  it('are what the registry says that they are, or nothing is taken', async () => {
    const error = await failure(fetchFrom({ latest: { bytes, type: indexType } }));
    expect(error).toMatchObject({ fault: 'answer' });
    expect(error.message).toContain(
      `it says that it is ${manifestType}, and the registry that it is ${indexType}`,
    );
    for (const type of ['text/plain', 'application/octet-stream', `${manifestType}; charset=utf-8`]) {
      expect((await fetchFrom({ latest: { bytes, type } })).descriptor.mediaType).toBe(manifestType);
    }
  });

  it('that come encoded are not decoded', async () => {
    const headers = { 'content-encoding': 'gzip' };
    const error = await failure(fetchFrom({ latest: { bytes: gzipSync(bytes), headers } }));
    expect(error).toMatchObject({ fault: 'answer' });
    // What is not encoded and says so has the right digest all the same.
    const named = await fetchFrom({ latest: { bytes, headers } });
    expect(named.bytes.equals(bytes)).toBe(true);
  });

  it('of ten thousand layers, ten thousand platforms or one without end are refused', async () => {
    const many = manifestBytes({ layers: Array(10_000).fill(layer) });
    expect(await failure(fetchFrom({ latest: { bytes: many } }))).toMatchObject({ fault: 'limit' });
    const index = indexOf(...Array(10_000).fill({ os: 'linux', architecture: 'amd64' }));
    expect(await failure(fetchFrom({ latest: { bytes: index, type: indexType } }))).toMatchObject({
      fault: 'limit',
    });
  });

  it('end at four MiB, announced or not', async () => {
    const huge = Buffer.alloc(4 * 1024 * 1024 + 1, ' ');
    expect(await failure(fetchFrom({ latest: { bytes: huge } }))).toMatchObject({
      fault: 'limit',
      code: 'E_ARCHIVE_REFUSED',
      exitCode: 65,
    });
    await using server = await Server.start(({ url }, response) => {
      if (url === '/v2/') return send(response, 200);
      response.writeHead(200, { 'content-type': manifestType });
      const more = (): void => {
        while (!response.destroyed && response.write(huge));
      };
      response.on('drain', more);
      return more();
    });
    using client = await connect(server);
    expect(await failure(fetchImage(client, repository, 'latest'))).toMatchObject({ fault: 'limit' });
  });

  it('with more entries than an index may have are refused', async () => {
    const index = indexOf(...Array(11).fill({ os: 'linux', architecture: 'amd64' }));
    const error = await failure(
      fetchFrom({ latest: { bytes: index, type: indexType } }, 'latest', { indexEntries: 10 }),
    );
    expect(error).toMatchObject({ fault: 'limit' });
  });

  it('are sent with their type, and must arrive as they are', async () => {
    let claim: string = descriptor.digest;
    await using server = await Server.start(({ url }, response) =>
      send(response, url === '/v2/' ? 200 : 201, '', { 'docker-content-digest': claim }),
    );
    using client = await connect(server);
    await putManifest(client, repository, '2', { descriptor, bytes });
    expect(server.seen.at(-1)).toMatchObject({ method: 'PUT', url: '/v2/lab/base/manifests/2' });
    expect(server.seen.at(-1)?.headers['content-type']).toBe(manifestType);
    expect(server.seen.at(-1)?.body.equals(bytes)).toBe(true);
    claim = digestOf('other');
    const error = await failure(putManifest(client, repository, '2', { descriptor, bytes }));
    expect(error).toMatchObject({ fault: 'broken' });
  });
});

describe('a host', () => {
  it('that answers nothing is named', async () => {
    const gone = await Server.start(() => undefined);
    const { host } = gone;
    await gone[Symbol.asyncDispose]();
    const error = await failure(connect({ host }));
    expect(error).toMatchObject({ fault: 'unreachable', code: 'E_REGISTRY', exitCode: 69 });
    expect(error.message).toContain(host);
  });

  it('that takes connections and says nothing is given up', async () => {
    await using server = await Server.start(() => undefined);
    const start = performance.now();
    const error = await failure(connect(server, { limits: { connectMs: 200, attempts: 2 } }));
    expect(error).toMatchObject({ fault: 'unreachable' });
    expect(performance.now() - start).toBeLessThan(3000);
  });
});

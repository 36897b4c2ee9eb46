// Uploads: in one request, in pieces, by mounting, not at all; and to registries that break off.

import { randomBytes, randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/images/digest.ts';
import type { PartialRegistryOptions } from '../../../src/images/registry/options.ts';
import type { BlobUpload } from '../../../src/images/registry/upload/session.ts';
import { uploadBlob } from '../../../src/images/registry/upload/uploads.ts';
import {
  connect,
  descriptorOf,
  failure,
  type Handler,
  layerType,
  repository,
  type Seen,
  Server,
  send,
} from './server.ts';

const content = randomBytes(250_000);
const blob = descriptorOf(content, layerType);

/** As much of a registry as takes blobs. `before` may answer in its place by returning true. */
class Uploads {
  readonly blobs = new Map<string, Buffer>();
  readonly sessions = new Map<string, Buffer>();
  before: (seen: Seen, response: ServerResponse) => boolean = () => false;

  readonly handler: Handler = (seen, response) => {
    if (seen.url === '/v2/') return send(response, 200, '{}');
    if (this.before(seen, response)) return undefined;
    const url = new URL(seen.url, 'http://x');
    const id = url.searchParams.get('id') ?? '';
    const digest = url.searchParams.get('digest') ?? '';
    if (seen.method === 'HEAD')
      return send(response, this.blobs.has(url.pathname.split('/').at(-1) ?? '') ? 200 : 404);
    if (seen.method === 'POST') return this.#begin(url, response);
    if (seen.method === 'GET') return this.#located(response, 204, id);
    const whole = Buffer.concat([this.sessions.get(id) ?? Buffer.alloc(0), seen.body]);
    if (seen.method === 'PATCH') {
      this.sessions.set(id, whole);
      return this.#located(response, 202, id);
    }
    if (digestOf(whole) !== digest) return send(response, 400);
    this.blobs.set(digest, whole);
    return send(response, 201, '', { 'docker-content-digest': digest });
  };

  #begin(url: URL, response: ServerResponse): unknown {
    const mount = url.searchParams.get('mount');
    if (mount !== null && url.searchParams.get('from') === 'lab/has-it') {
      this.blobs.set(mount, content);
      return send(response, 201);
    }
    const id = randomUUID();
    this.sessions.set(id, Buffer.alloc(0));
    return this.#located(response, 202, id);
  }

  #located(response: ServerResponse, status: number, id: string): void {
    const bytes = this.sessions.get(id)?.length ?? 0;
    response.writeHead(status, {
      location: `/v2/lab/base/blobs/uploads/x?id=${id}&state=a%2Fb`,
      range: `0-${Math.max(0, bytes - 1)}`,
    });
    response.end();
  }
}

async function upload(
  registry: Uploads,
  change: Partial<BlobUpload> = {},
  more: PartialRegistryOptions = {},
) {
  const server = await Server.start(registry.handler);
  try {
    using client = await connect(server, more);
    const open = async () =>
      (async function* () {
        for (let at = 0; at < content.length; at += 60_000) yield content.subarray(at, at + 60_000);
      })();
    const result = await uploadBlob(client, { repository, blob, open, ...change });
    return { result, server };
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

describe('an upload', () => {
  it('goes in one request', async () => {
    const registry = new Uploads();
    const seen: number[] = [];
    const { result, server } = await upload(registry, { onBytes: (bytes) => seen.push(bytes) });
    expect(result).toBe('sent');
    expect(registry.blobs.get(blob.digest)?.equals(content)).toBe(true);
    expect(server.calls.map((call) => call.split(' ')[0])).toEqual(['HEAD', 'POST', 'PUT']);
    expect(server.seen.at(-1)?.headers['content-length']).toBe(String(content.length));
    expect(server.calls.at(-1)).toContain('state=a%2Fb');
    expect(seen.at(-1)).toBe(content.length);
  });

  it('is not made where the blob is there', async () => {
    const registry = new Uploads();
    registry.blobs.set(blob.digest, content);
    const { result, server } = await upload(registry);
    expect(result).toBe('there');
    expect(server.calls).toHaveLength(1);
  });

  it('becomes a mount where another repository has the blob', async () => {
    const registry = new Uploads();
    const { result, server } = await upload(registry, { mountFrom: [repository, 'lab/empty', 'lab/has-it'] });
    expect(result).toBe('mounted');
    expect(server.calls.map((call) => call.split(' ')[0])).toEqual(['HEAD', 'POST', 'POST']);
    expect(server.calls[2]).toContain(`from=lab%2Fhas-it`);
  });

  it('uses the session that a refused mount has opened', async () => {
    const registry = new Uploads();
    const { result, server } = await upload(registry, { mountFrom: ['lab/empty'] });
    expect(result).toBe('sent');
    expect(server.calls.map((call) => call.split(' ')[0])).toEqual(['HEAD', 'POST', 'PUT']);
  });

  it('goes without a mount that is forbidden', async () => {
    const registry = new Uploads();
    registry.before = ({ url }, response) => {
      if (url.includes('mount=')) send(response, 403);
      return url.includes('mount=');
    };
    expect((await upload(registry, { mountFrom: ['lab/secret'] })).result).toBe('sent');
  });

  it('goes in pieces where one request is too large', async () => {
    const registry = new Uploads();
    registry.before = ({ body }, response) => {
      if (body.length > 100_000) send(response, 413);
      return body.length > 100_000;
    };
    const { result, server } = await upload(registry, {}, { limits: { chunkBytes: 100_000 } });
    expect(result).toBe('sent');
    expect(registry.blobs.get(blob.digest)?.equals(content)).toBe(true);
    const ranges = server.seen
      .filter(({ method }) => method === 'PATCH')
      .map(({ headers }) => headers['content-range']);
    expect(ranges).toEqual(['0-99999', '100000-199999', '200000-249999']);
  });

  it('sends a piece again from where it broke', async () => {
    const registry = new Uploads();
    let broken = 0;
    registry.before = ({ method, body, url }, response) => {
      if (method === 'PUT' && body.length > 0) {
        response.destroy();
        return true;
      }
      if (method !== 'PATCH' || broken > 0) return false;
      broken += 1;
      const id = new URL(url, 'http://x').searchParams.get('id') ?? '';
      registry.sessions.set(id, body.subarray(0, 30_000));
      response.destroy();
      return true;
    };
    const { server } = await upload(registry, {}, { limits: { chunkBytes: 100_000 } });
    expect(registry.blobs.get(blob.digest)?.equals(content)).toBe(true);
    const ranges = server.seen
      .filter(({ method }) => method === 'PATCH')
      .map(({ headers }) => headers['content-range']);
    expect(ranges).toEqual(['0-99999', '30000-99999', '100000-199999', '200000-249999']);
  });

  it('begins anew after 5xx, and gives up at some time', async () => {
    const registry = new Uploads();
    let failures = 2;
    registry.before = ({ method }, response) => {
      if (method !== 'PUT' || failures === 0) return false;
      failures -= 1;
      send(response, 503);
      return true;
    };
    expect((await upload(registry)).result).toBe('sent');
    failures = 100;
    registry.blobs.clear();
    expect(await failure(upload(registry))).toMatchObject({ fault: 'unreachable' });
    expect(failures).toBe(97);
  });

  it('stops when the registry answers before it has taken everything', async () => {
    await using server = await Server.start(
      ({ method }, response) => {
        if (method === 'HEAD') return send(response, 404);
        if (method === 'POST') return send(response, 202, '', { location: '/x' });
        return send(response, method === 'PUT' ? 403 : 200);
      },
      { readBody: false },
    );
    using client = await connect(server);
    const big = { ...blob, size: 1e12 };
    let sent = 0;
    const open = async () =>
      (async function* () {
        for (;;) {
          sent += content.length;
          yield content;
        }
      })();
    expect(await failure(uploadBlob(client, { repository, blob: big, open }))).toMatchObject({
      fault: 'denied',
    });
    expect(sent).toBeLessThan(1e9);
  });

  it('gives up on a registry that takes nothing', async () => {
    await using server = await Server.start(
      ({ method }, response) => {
        if (method === 'HEAD') return send(response, 404);
        if (method === 'POST') return send(response, 202, '', { location: '/x' });
        return method === 'PUT' ? undefined : send(response, 200);
      },
      { readBody: false },
    );
    using client = await connect(server, { limits: { attempts: 1 } });
    const open = async () =>
      (async function* () {
        for (;;) yield content;
      })();
    const error = await failure(uploadBlob(client, { repository, blob: { ...blob, size: 1e12 }, open }));
    expect(error.message).toContain('took nothing for 0.3 s');
  });

  it.each([
    ['more', 1],
    ['less', -1],
  ])('fails where the source has %s than it should', async (than, difference) => {
    const size = content.length - difference;
    const error = await failure(upload(new Uploads(), { blob: { ...blob, size } }));
    expect(error).toMatchObject({ fault: 'broken' });
    expect(error.message).toContain(`${than} than its ${size} bytes`);
  });

  it('fails with the failure of its source', async () => {
    const reason = new Error('the disk is gone');
    const open = () => Promise.reject(reason);
    expect(await failure(upload(new Uploads(), { open }))).toBe(reason);
  });

  it.each(['http://169.254.169.254/x', 'file:///x', 'https://localhost:1/x?a', 'http://[', ''])(
    'does not go to %s',
    async (location) => {
      const registry = new Uploads();
      registry.before = ({ method }, response) => {
        if (method === 'POST') send(response, 202, '', { location });
        return method === 'POST';
      };
      const error = await failure(upload(registry));
      expect(['astray', 'answer', 'missing', 'unreachable']).toContain(error['fault']);
      expect(registry.blobs.size).toBe(0);
    },
  );

  it('ends when it is aborted', async () => {
    const abort = new AbortController();
    const registry = new Uploads();
    registry.before = ({ method }) => {
      if (method === 'PUT') abort.abort(new Error('enough'));
      return method === 'PUT';
    };
    expect((await failure(upload(registry, { signal: abort.signal }))).message).toBe('enough');
  });
});

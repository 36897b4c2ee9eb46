// Downloads from registries that lie, stall, break off or lead astray.

import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { blobSource } from '../../../src/images/registry/blobs.ts';
import type { PartialRegistryOptions } from '../../../src/images/registry/options.ts';
import {
  connect,
  descriptorOf,
  type Handler,
  layerType,
  readAll,
  repository,
  Server,
  send,
} from './server.ts';

const content = randomBytes(300_000);
const blob = descriptorOf(content, layerType);
const never = new AbortController().signal;

async function download(
  handler: Handler,
  {
    offset = 0,
    more = {},
    signal = never,
  }: { offset?: number; more?: PartialRegistryOptions; signal?: AbortSignal } = {},
) {
  await using server = await Server.start((seen, response, raw) => {
    if (seen.url === '/v2/') return send(response, 200, '{}');
    return handler(seen, response, raw);
  });
  using client = await connect(server, more);
  const bytes = readAll(await blobSource(client, repository, blob)(offset, signal));
  const outcome = await bytes.then(
    (value) => ({ value, error: undefined }),
    (error: unknown) => ({ value: undefined, error: error as Error & Record<string, unknown> }),
  );
  return { ...outcome, server };
}

function rangeStart(range: string | undefined): number {
  return Number(/^bytes=([0-9]+)-$/.exec(range ?? '')?.[1] ?? 0);
}

const honest: Handler = ({ headers }, response) => {
  const start = rangeStart(headers.range);
  if (start === 0) return send(response, 200, content);
  const range = `bytes ${start}-${content.length - 1}/${content.length}`;
  return send(response, 206, content.subarray(start), { 'content-range': range });
};

describe('a download', () => {
  it('asks for the blob by digest, unencoded, and gives its bytes', async () => {
    const { value, server } = await download(honest);
    expect(value?.equals(content)).toBe(true);
    const request = server.seen.at(-1);
    expect(request?.url).toBe(`/v2/lab/base/blobs/${blob.digest}`);
    expect(request?.headers).toMatchObject({ 'accept-encoding': 'identity' });
    expect(request?.headers['user-agent']).toMatch(/^dockersh\//);
  });

  it('resumes by range where it broke, as often as it takes', async () => {
    const starts: number[] = [];
    const { value } = await download(({ headers }, response) => {
      const start = rangeStart(headers.range);
      starts.push(start);
      const end = Math.min(start + 100_000, content.length);
      const range = `bytes ${start}-${content.length - 1}/${content.length}`;
      response.writeHead(start === 0 ? 200 : 206, {
        'content-length': String(content.length - start),
        ...(start === 0 ? {} : { 'content-range': range }),
      });
      response.write(content.subarray(start, end), () => {
        if (end === content.length) response.end();
        else setTimeout(() => response.destroy(), 20);
      });
    });
    expect(value?.equals(content)).toBe(true);
    expect(starts[0]).toBe(0);
    expect(starts.length).toBeGreaterThan(2);
    expect([...starts].sort((a, b) => a - b)).toEqual(starts);
  });

  it('goes on where the store has got to, also with a registry that knows no ranges', async () => {
    const start = 123_456;
    for (const handler of [honest, ((_, response) => send(response, 200, content)) satisfies Handler]) {
      const { value } = await download(handler, { offset: start });
      expect(value?.equals(content.subarray(start))).toBe(true);
    }
  });

  it('ends early without a length, and is resumed', async () => {
    let requests = 0;
    const { value } = await download((seen, response, raw) => {
      requests += 1;
      if (requests > 1) return honest(seen, response, raw);
      response.writeHead(200);
      return response.end(content.subarray(0, 1000));
    });
    expect(value?.equals(content)).toBe(true);
    expect(requests).toBe(2);
  });

  it('stops at the first byte too many', async () => {
    let sent = 0;
    const { error } = await download((_, response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && sent < 1e9 && response.write(content)) sent += content.length;
      };
      response.on('drain', more);
      more();
    });
    expect(error).toMatchObject({ fault: 'broken', code: 'E_IMAGE_BROKEN' });
    expect(error?.message).toContain('longer than its 300000 bytes');
    expect(sent).toBeLessThan(50 * content.length);
  });

  it.each([
    ['longer', 300_001],
    ['shorter', 299_999],
  ])('is refused at once when it announces to be %s', async (_, length) => {
    const { error, server } = await download((_seen, response) => {
      response.writeHead(200, { 'content-length': String(length) });
      response.write(content.subarray(0, 10));
    });
    expect(error).toMatchObject({ fault: 'broken' });
    expect(error?.message).toContain(`${length} bytes`);
    expect(server.calls).toHaveLength(1);
  });

  it.each([
    ['none', {}],
    ['malformed', { 'content-range': 'bytes 5/x' }],
    ['elsewhere', { 'content-range': 'bytes 200000-299999/300000' }],
    ['of another length', { 'content-range': 'bytes 1000-300000/300001' }],
  ])('refuses a range that is %s', async (_, headers) => {
    const { error } = await download(
      (_seen, response) => send(response, 206, content.subarray(1000), headers),
      {
        offset: 1000,
      },
    );
    expect(error).toMatchObject({ fault: 'answer' });
    expect(error?.message).toContain('range');
  });

  it('refuses an encoding that it did not ask for', async () => {
    const { error } = await download((_, response) =>
      send(response, 200, content, { 'content-encoding': 'gzip' }),
    );
    expect(error).toMatchObject({ fault: 'answer' });
  });

  it('gives up on a body that stalls', async () => {
    const start = performance.now();
    const { error, server } = await download((_, response) => {
      response.writeHead(200, { 'content-length': String(content.length) });
      response.write(content.subarray(0, 10));
    });
    expect(error).toMatchObject({ fault: 'unreachable', code: 'E_REGISTRY' });
    expect(error?.message).toContain('nothing came for 0.3 s');
    expect(server.calls).toHaveLength(3);
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('gives up on a trickle', async () => {
    const { error } = await download(
      (_, response) => {
        response.writeHead(200, { 'content-length': String(content.length) });
        const timer = setInterval(() => response.write('x'), 10);
        response.on('close', () => clearInterval(timer));
      },
      { more: { limits: { slowMs: 100, slowBytes: 1000, attempts: 2 } } },
    );
    expect(error?.message).toContain('less than 1000 bytes came in 0.1 s');
  });

  it('gives up on a byte for each connection', async () => {
    const { error, server } = await download(({ headers }, response) => {
      const start = rangeStart(headers.range);
      const range = `bytes ${start}-${content.length - 1}/${content.length}`;
      response.writeHead(start === 0 ? 200 : 206, {
        'content-length': String(content.length - start),
        'content-range': range,
      });
      response.write(content.subarray(start, start + 1), () => setTimeout(() => response.destroy(), 10));
    });
    expect(error).toMatchObject({ fault: 'unreachable' });
    expect(server.calls).toHaveLength(3);
  });

  it('gives up on a head that never ends', async () => {
    const start = performance.now();
    const { error } = await download(
      (_, response) => {
        response.socket?.write('HTTP/1.1 200 OK\r\n');
        const timer = setInterval(() => response.socket?.write('a: b\r\n'), 20);
        response.socket?.on('close', () => clearInterval(timer));
      },
      { more: { limits: { attempts: 1 } } },
    );
    expect(error?.message).toContain('no answer within 0.5 s');
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('gives up on a registry that never answers', async () => {
    const { error, server } = await download(() => undefined);
    expect(error?.message).toContain('no answer within 0.5 s');
    expect(server.calls).toHaveLength(3);
  });

  it('ends at once when it is aborted', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    const { error } = await download(
      (_, response) => {
        response.writeHead(200, { 'content-length': String(content.length) });
        response.write(content.subarray(0, 10), () => setTimeout(() => abort.abort(reason), 10));
      },
      { signal: abort.signal, more: { limits: { stallMs: 10_000 } } },
    );
    expect(error).toBe(reason);
  });

  it('is not tried again where that is no use', async () => {
    for (const [status, fault] of [
      [404, 'missing'],
      [403, 'denied'],
      [400, 'answer'],
      [416, 'answer'],
    ] as const) {
      const { error, server } = await download((_, response) =>
        send(response, status, '{"errors":[{"code":"X","message":"the words"}]}', {
          'content-type': 'application/json',
        }),
      );
      expect(error).toMatchObject({ fault });
      expect(error?.message).toContain(`${status}: the words`);
      expect(server.calls).toHaveLength(1);
    }
  });
});

describe('trying again', () => {
  it.each([408, 429, 500, 502, 503, 504])('after %s', async (status) => {
    let requests = 0;
    const { value } = await download((seen, response, raw) => {
      requests += 1;
      return requests < 3 ? send(response, status) : honest(seen, response, raw);
    });
    expect(
      createHash('sha256')
        .update(value ?? '')
        .digest('hex'),
    ).toBe(blob.digest.slice(7));
  });

  it('waits as long as Retry-After says, where that is bearable', async () => {
    const times: number[] = [];
    const { value } = await download((seen, response, raw) => {
      times.push(performance.now());
      return times.length === 1
        ? send(response, 429, '', { 'retry-after': '1' })
        : honest(seen, response, raw);
    });
    expect(value?.length).toBe(content.length);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(950);
  });

  it('says so where it is not', async () => {
    const { error, server } = await download((_, response) =>
      send(response, 429, '', { 'retry-after': '86400' }),
    );
    expect(error?.message).toContain('come back in 86400 s');
    expect(server.calls).toHaveLength(1);
  });
});

describe('redirects', () => {
  it('end after five', async () => {
    const { error, server } = await download(({ url }, response) =>
      send(response, 302, '', { location: `${url}0` }),
    );
    expect(error?.message).toContain('more than 5 redirects');
    expect(server.calls).toHaveLength(6);
  });

  it.each([
    'file:///etc/shadow',
    'ftp://127.0.0.1/',
    'http://169.254.169.254/',
    'https://u:p@127.0.0.1/',
    '::',
  ])('to %s are refused', async (location) => {
    const { error, server } = await download((_, response) => send(response, 307, '', { location }));
    expect(['astray', 'answer', 'missing']).toContain(error?.['fault']);
    expect(server.calls.length).toBeLessThanOrEqual(6);
  });
});

describe('answers that are no HTTP', () => {
  it.each([
    ['a malformed header', 'HTTP/1.1 200 OK\r\nbad header\r\n\r\n'],
    ['a malformed status', 'HTTP/1.1 abc\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello'],
    [
      'length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a bad chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
    ['an endless head', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}\r\n`],
    ['something else', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ])('%s', async (_, text) => {
    const { error, server } = await download((_seen, response) => {
      response.socket?.end(text);
    });
    expect(['answer', 'limit']).toContain(error?.['fault']);
    expect(server.calls).toHaveLength(1);
  });
});

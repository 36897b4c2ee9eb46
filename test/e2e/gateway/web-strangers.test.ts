// Does to the gateway's web page what strangers do: half a handshake, headers without end, other origins, messages that are none. And has its
// certificate replaced while it runs.

import { writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { AdminResult } from '../../../src/protocol/admin.ts';
import { makePair } from '../../fixtures/gateway/certificate.ts';
import type { Gateway } from '../../fixtures/gateway/gateway.ts';
import { password, Web } from '../../fixtures/gateway/web.ts';
import { control } from '../../fixtures/machine.ts';

describe.skipIf(control)('strangers at the web page', () => {
  const parts = new AsyncDisposableStack();
  let web: Web;
  let gateway: Gateway;
  let port: number;

  beforeAll(async () => {
    web = parts.use(await Web.start());
    ({ gateway, port } = await web.gateway('methods=password', 'grace_time=15', 'auth_tries=3'));
    parts.use(gateway);
  }, 120_000);

  afterAll(async () => {
    await parts.disposeAsync();
  });

  const status = async (): Promise<AdminResult<'gateway.status'>> =>
    (await web.host.ctlOk('gateway', 'status')) as AdminResult<'gateway.status'>;

  async function tls(): Promise<TLSSocket> {
    const socket = connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    return socket.on('error', () => undefined);
  }

  /** All that comes until the connection has ended. */
  async function rest(socket: Socket): Promise<string> {
    let said = '';
    socket.on('data', (bytes: Buffer) => {
      said += bytes.toString('latin1');
    });
    await new Promise((resolve) => socket.once('close', resolve).on('error', () => undefined));
    return said;
  }

  async function ask(text: string): Promise<string> {
    const socket = await tls();
    socket.write(text.replaceAll('\n', '\r\n'));
    return await rest(socket);
  }

  const get = (path: string, more = ''): Promise<string> =>
    ask(`GET ${path} HTTP/1.1\nHost: 127.0.0.1:${port}\nConnection: close\n${more}\n`);

  function open(headers: Record<string, string> = {}, protocol = 'dockersh'): WebSocket {
    const origin = { origin: `https://127.0.0.1:${port}` };
    const options = { rejectUnauthorized: false, headers: { ...origin, ...headers } };
    return new WebSocket(`wss://127.0.0.1:${port}/session`, protocol, options).on('error', () => undefined);
  }

  /** The status that refuses it, or how it was closed. */
  const outcome = (socket: WebSocket): Promise<number> =>
    new Promise((resolve) => {
      socket.on('unexpected-response', (_request, { statusCode = 0 }) => {
        resolve(statusCode);
        socket.terminate();
      });
      socket.on('close', resolve);
    });

  it('get the page, and nothing that is not part of it', async () => {
    expect(await get('/')).toMatch(
      /^HTTP\/1\.1 200 [\s\S]*Content-Security-Policy: default-src 'none';[\s\S]*<!doctype html>/,
    );
    for (const path of [
      '/nothing',
      '/../etc/passwd',
      '//etc/passwd',
      '/terminal.js/',
      '/__proto__',
      '/constructor',
      'http://other/',
    ])
      expect(await get(path), path).toMatch(/^HTTP\/1\.1 404 /);
    expect(await ask(`POST / HTTP/1.1\nHost: a\nContent-Length: 1\n\nx`)).toMatch(/^HTTP\/1\.1 405 /);
    expect(await ask(`GET / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n1\nx\n0\n\n`)).toMatch(
      /^HTTP\/1\.1 405 /,
    );
    expect(await ask('GET / HTTP/1.1\n\n')).toMatch(/^HTTP\/1\.1 400 |^$/);
  });

  it('are cut off by plain HTTP, an old TLS, and headers that are too long', async () => {
    const plain = connectTcp(port, '127.0.0.1');
    plain.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(await rest(plain)).not.toContain('HTTP/1.1');
    const old = connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'ALL:@SECLEVEL=0',
    });
    expect(await rest(old)).toBe('');
    expect(old.authorized || old.getProtocol() === 'TLSv1.1').toBe(false);
    expect(await get('/', `X: ${'a'.repeat(20_000)}\n`)).not.toMatch(/^HTTP\/1\.1 200/);
    expect(await get('/', 'X: a\n'.repeat(3000))).not.toMatch(/^HTTP\/1\.1 200/);
  });

  it('have a bounded time for a handshake, for headers, and for a login, and count meanwhile', async () => {
    const silent = connectTcp(port, '127.0.0.1').resume();
    const slow = (await tls()).resume();
    slow.write('GET / HTTP/1.1\r\nHost: a\r\n');
    const drip = setInterval(() => slow.write('X: a\r\n'), 200);
    const undecided = open();
    const endings = [silent, slow].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    try {
      await expect
        .poll(async () => (await status()).gateway?.waiting ?? 0, { timeout: 9_000 })
        .toBeGreaterThanOrEqual(3);
      await Promise.all([...endings, outcome(undecided)]);
    } finally {
      clearInterval(drip);
    }
    await expect.poll(async () => (await status()).gateway?.waiting, { timeout: 15_000 }).toBe(0);
    expect(gateway.log()).toContain('has not logged in in time');
  });

  it('get no terminal from another page, by another name, or without saying what is spoken', async () => {
    for (const origin of [
      'https://evil.example',
      `http://127.0.0.1:${port}`,
      `https://127.0.0.1:${port}.evil.example`,
      'null',
    ])
      expect(await outcome(open({ origin })), origin).toBe(403);
    expect(await outcome(open({ host: 'other.example' }))).toBe(403);
    expect(
      await ask(
        `GET /session HTTP/1.1\nHost: 127.0.0.1:${port}\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n`,
      ),
    ).toMatch(/^HTTP\/1\.1 403 /);
  });

  it.each([
    ['no message', 'nonsense', 1008],
    ['an answer that nobody asked for', '{"kind":"answers","answers":["x"]}', 1008],
    ['bytes before a login', Buffer.from('id\r'), 1008],
    ['more shown than there was', '{"kind":"shown","bytes":1}', 1008],
    ['a message without end', 'x'.repeat(100_000), 1009],
  ])('are cut off by %s', async (_, message, code) => {
    const socket = open();
    socket.on('open', () => socket.send(message));
    expect([code, 1006]).toContain(await outcome(socket));
  });

  it('may guess only a few times, and somebody else not at all', async () => {
    const socket = open();
    const said: string[] = [];
    socket.on('open', () =>
      socket.send(JSON.stringify({ kind: 'login', user: web.user.name, size: [80, 24] })),
    );
    socket.on('message', (data) => {
      const { kind } = JSON.parse(String(data)) as { kind: string };
      said.push(kind);
      if (kind === 'ask') socket.send(JSON.stringify({ kind: 'answers', answers: ['wrong'] }));
    });
    await outcome(socket);
    expect(said.filter((kind) => kind === 'ask')).toHaveLength(3);
    expect(said.at(-1)).toBe('over');
  });

  it('see another certificate from the next connection on, while those that are there go on', async () => {
    const before = await tls();
    const first = before.getPeerCertificate().fingerprint256;
    // Half of a pair is no pair: the one from before stays.
    const { key } = web.pair;
    writeFileSync(key, '-----BEGIN PRIVATE KEY-----\n');
    expect((await tls()).getPeerCertificate().fingerprint256).toBe(first);
    expect((await tls()).getPeerCertificate().fingerprint256).toBe(first);
    expect(gateway.log().match(/is not taken/g)).toHaveLength(1);
    await makePair(web.host.folder, 'web');
    const second = (await tls()).getPeerCertificate().fingerprint256;
    expect(second).not.toBe(first);
    before.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
    expect(await rest(before)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await get('/')).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('leave nothing behind', async () => {
    await expect.poll(async () => (await status()).gateway?.waiting, { timeout: 30_000 }).toBe(0);
    const socket = open();
    socket.on('open', () =>
      socket.send(JSON.stringify({ kind: 'login', user: web.user.name, size: [80, 24] })),
    );
    const shown = new Promise((resolve) => {
      socket.on('message', (data, isBinary) => {
        if (isBinary) resolve(String(data));
        else if (String(data).includes('"ask"'))
          socket.send(JSON.stringify({ kind: 'answers', answers: [password] }));
      });
    });
    await shown;
    socket.terminate();
    await expect.poll(async () => (await status()).connections, { timeout: 15_000 }).toBe(0);
  });
});

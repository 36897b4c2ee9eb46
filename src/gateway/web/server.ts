// Answers one connection of a browser's: with the page's files, which everybody may have, or with a terminal for whoever logs
// in. Everything about it is bounded before anybody has.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { WebSocketServer } from 'ws';
import { mostMessage, webPath, webProtocol } from '../../lib/terminal/page-messages.ts';
import { WireWriter } from '../../lib/wire.ts';
import type { Monitor } from '../monitor/monitor.ts';
import { headersFor, isOwnOrigin, typeOf } from './headers.ts';
import { Visit } from './visit.ts';

export interface WebParts {
  readonly socket: Socket;
  readonly monitor: Monitor;
  readonly methods: string;
  readonly banner: string | undefined;
  readonly page: Page;
}

/** The page's files by their names: compressed by gzip(1), in base64, with a tag of what they are. */
export type Page = Readonly<Record<string, { readonly tag: string; readonly gzip: string }>>;

/** A connection that is no terminal's is over then, whatever it does. */
const longestMs = 20_000;
const mostHeaderBytes = 8192;

class Connection {
  readonly #parts: WebParts;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: mostMessage,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(webProtocol) ? webProtocol : false),
  });
  readonly #over: NodeJS.Timeout;
  #served = false;
  #visited = false;

  constructor(parts: WebParts) {
    this.#parts = parts;
    this.#server = createServer(
      { maxHeaderSize: mostHeaderBytes, keepAliveTimeout: 2000, requireHostHeader: true },
      (request, response) => this.#answer(request, response),
    );
    this.#server.maxRequestsPerSocket = 32;
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('clientError', () => parts.socket.destroy());
    this.#over = setTimeout(() => parts.socket.destroy(), longestMs);
    this.#server.emit('connection', parts.socket);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '', headers } = request;
    const name = url === '/' ? 'index.html' : url.slice(1);
    const file = Object.hasOwn(this.#parts.page, name) ? this.#parts.page[name] : undefined;
    const own = headersFor(headers.host ?? ':0');
    // No request has anything in it: what is not read is the end of the connection.
    const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
    if (hasBody) response.shouldKeepAlive = false;
    if (hasBody || (method !== 'GET' && method !== 'HEAD'))
      response.writeHead(405, { ...own, Allow: 'GET, HEAD' }).end();
    else if (file === undefined || !url.startsWith('/')) response.writeHead(404, own).end();
    else this.#give(request, response, own, name, file);
  }

  #give(
    request: IncomingMessage,
    response: ServerResponse,
    own: Readonly<Record<string, string>>,
    name: string,
    { tag, gzip }: Page[string],
  ): void {
    this.#tellServed();
    const headers = { ...own, ETag: `"${tag}"`, Vary: 'Accept-Encoding', 'Content-Type': typeOf(name) };
    if (request.headers['if-none-match'] === headers.ETag) {
      response.writeHead(304, headers).end();
      return;
    }
    const zips = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    const zipped = Buffer.from(gzip, 'base64');
    const bytes = zips ? zipped : gunzipSync(zipped);
    response.writeHead(200, {
      ...headers,
      ...(zips ? { 'Content-Encoding': 'gzip' } : {}),
      'Content-Length': bytes.length,
    });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  }

  /** Who comes for the page alone has not failed to log in. */
  #tellServed(): void {
    if (!this.#served) this.#parts.monitor.tell(new WireWriter('gwServed').u32('slot', 0));
    this.#served = true;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { host, origin } = request.headers;
    if (request.url !== webPath || !isOwnOrigin(origin, host) || this.#visited) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.#visited = true;
    clearTimeout(this.#over);
    // Until somebody has logged in the monitor's own time bounds it (grace_time).
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => new Visit(webSocket, this.#parts));
  }
}

export function serveConnection(parts: WebParts): void {
  new Connection(parts);
}

// A small HTTP proxy: CONNECT and absolute addresses, names found in a table, so that tests have "public" hosts.

import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

export interface ProxySetup {
  /** "registry.test:443" to a port of the loopback interface. */
  readonly hosts: Readonly<Record<string, number>>;
  /** "name:password": nobody gets through without. */
  readonly login?: string;
  /** Answers CONNECT in its own way. */
  readonly onConnect?: (socket: Duplex) => void;
}

export class ProxyServer implements AsyncDisposable {
  readonly #server: http.Server;
  readonly #setup: ProxySetup;
  readonly #sockets = new Set<Duplex>();
  /** "CONNECT registry.test:443", "GET http://registry.test/v2/". */
  readonly seen: string[] = [];

  private constructor(setup: ProxySetup) {
    this.#setup = setup;
    this.#server = http.createServer((request, response) => this.#forward(request, response));
    this.#server.on('connect', (request: IncomingMessage, socket: Duplex) => this.#tunnel(request, socket));
    this.#server.on('connection', (socket: Duplex) => this.#hold(socket));
  }

  static async start(setup: ProxySetup): Promise<ProxyServer> {
    const proxy = new ProxyServer(setup);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #hold(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #mayPass({ headers }: IncomingMessage): boolean {
    const { login } = this.#setup;
    const sent = headers['proxy-authorization'];
    return login === undefined || sent === `Basic ${Buffer.from(login).toString('base64')}`;
  }

  #tunnel(request: IncomingMessage, socket: Duplex): void {
    const { url = '' } = request;
    this.seen.push(`CONNECT ${url}`);
    const { onConnect, hosts } = this.#setup;
    const port = hosts[url];
    if (!this.#mayPass(request)) socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    else if (onConnect !== undefined) onConnect(socket);
    else if (port === undefined) socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n');
    else this.#join(socket, port);
  }

  #join(socket: Duplex, port: number): void {
    const upstream = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(socket);
      socket.pipe(upstream);
    });
    this.#hold(upstream);
    upstream.once('close', () => socket.destroy());
    socket.once('close', () => upstream.destroy());
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', method = '', headers } = request;
    this.seen.push(`${method} ${url}`);
    const target = URL.parse(url);
    const port = target === null ? undefined : this.#setup.hosts[`${target.hostname}:${target.port || '80'}`];
    if (!this.#mayPass(request) || target === null || port === undefined) {
      response.writeHead(this.#mayPass(request) ? 502 : 407).end();
      return;
    }
    const { 'proxy-authorization': _, ...rest } = headers;
    const upstream = http.request(
      { host: '127.0.0.1', port, method, path: target.pathname + target.search, headers: rest },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    upstream.on('error', () => response.destroy());
    request.pipe(upstream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

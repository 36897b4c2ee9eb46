// Serves metrics by HTTP: on a socket of root's in the run folder, and on an address where the policy names one.

import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import type { Logger } from '../../lib/log.ts';
import type { MetricsAddress } from '../../policy/values/ports.ts';
import type { Metrics } from './metrics.ts';

/** One that asks and does not listen is cut off. */
const patienceMs = 10_000;
const mostConnections = 32;

export class MetricsServer implements AsyncDisposable {
  readonly #metrics: Metrics;
  readonly #log: Logger;
  readonly #onSocket: Server;
  readonly #socket: string;
  #onAddress: { readonly at: string; readonly server: Server } | undefined;

  private constructor(metrics: Metrics, run: string, log: Logger) {
    this.#metrics = metrics;
    this.#log = log;
    this.#socket = path.join(run, 'metrics.sock');
    this.#onSocket = this.#server();
  }

  static async start(metrics: Metrics, run: string, log: Logger): Promise<MetricsServer> {
    const served = new MetricsServer(metrics, run, log);
    rmSync(served.#socket, { force: true }); // of a daemon that was killed
    const mask = process.umask(0o177);
    try {
      served.#onSocket.listen(served.#socket);
      await once(served.#onSocket, 'listening');
    } finally {
      process.umask(mask);
    }
    chmodSync(served.#socket, 0o600);
    return served;
  }

  /** Goes to another address, or to none. What can't be had is told to the log, and tried again with the next change. */
  listenAt(address: MetricsAddress | null): void {
    const at = address === null ? '' : `${address.host} ${address.port}`;
    if (at === (this.#onAddress?.at ?? '')) return;
    close(this.#onAddress?.server);
    this.#onAddress = undefined;
    if (address === null) return;
    const server = this.#server();
    this.#onAddress = { at, server };
    server.on('error', (error) => {
      this.#log.error({ err: error, ...address }, 'metrics cannot be served at this address');
      if (this.#onAddress?.server === server) this.#onAddress = undefined;
    });
    server.listen(address.port, address.host);
  }

  #server(): Server {
    const server = createServer(
      { requestTimeout: patienceMs, headersTimeout: patienceMs },
      (request, response) => {
        void this.#answer(request, response);
      },
    );
    server.setTimeout(patienceMs);
    server.maxConnections = mostConnections;
    return server;
  }

  /** Never rejects. */
  async #answer({ method, url = '', headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (method !== 'GET' && method !== 'HEAD') response.writeHead(405, { allow: 'GET, HEAD' }).end();
      else if (url.split('?')[0] !== '/metrics') response.writeHead(404).end('Ask for /metrics.\n');
      else {
        const { type, body } = await this.#metrics.text(
          headers.accept?.includes('application/openmetrics-text') === true,
        );
        response.writeHead(200, { 'content-type': type }).end(body);
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'metrics could not be given');
      if (!response.headersSent) response.writeHead(500);
      response.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    close(this.#onAddress?.server);
    close(this.#onSocket);
    rmSync(this.#socket, { force: true });
    await Promise.resolve();
  }
}

function close(server: Server | undefined): void {
  server?.close();
  server?.closeAllConnections();
}

// A registry that does what a test wants, wrong things above all: a real HTTP server on the loopback
// interface. Every request is recorded.

import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Digest, digestOf } from '../../../src/images/digest.ts';
import type { Descriptor } from '../../../src/images/oci.ts';
import { RegistryClient } from '../../../src/images/registry/client.ts';
import type { RegistryLimits } from '../../../src/images/registry/limits.ts';
import { type PartialRegistryOptions, registryOptions } from '../../../src/images/registry/options.ts';
import { parseRemoteName } from '../../../src/images/registry/remote-name.ts';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Undefined: not for me, the default answers. */
export type Handler = (request: Seen, response: ServerResponse, raw: IncomingMessage) => unknown;

export interface Tls {
  readonly key: string;
  readonly cert: string;
}

export class Server implements AsyncDisposable {
  readonly #server: http.Server;
  readonly seen: Seen[] = [];
  readonly scheme: 'http' | 'https';

  private constructor(handler: Handler, tls: Tls | undefined, readBody: boolean) {
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#serve(handler, request, response, readBody);
    };
    this.scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? http.createServer(listener) : https.createServer({ ...tls }, listener);
  }

  static async start(handler: Handler, { tls, readBody = true }: { tls?: Tls; readBody?: boolean } = {}) {
    const server = new Server(handler, tls, readBody);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get origin(): string {
    return `${this.scheme}://${this.host}`;
  }

  /** Requests after the first one, GET /v2/. */
  get calls(): string[] {
    return this.seen.filter(({ url }) => url !== '/v2/').map(({ method, url }) => `${method} ${url}`);
  }

  async #serve(handler: Handler, raw: IncomingMessage, response: ServerResponse, readBody: boolean) {
    const { method = '', url = '', headers } = raw;
    const chunks: Buffer[] = [];
    try {
      if (readBody) for await (const chunk of raw) chunks.push(chunk as Buffer);
    } catch {
      return; // the client has hung up
    }
    const seen = { method, url, headers, body: Buffer.concat(chunks) };
    this.seen.push(seen);
    await handler(seen, response, raw);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Bounds that make waiting short; the rest is as it ships. */
export const quick: Partial<RegistryLimits> = {
  attempts: 3,
  backoffMs: 2,
  maxBackoffMs: 5,
  connectMs: 1000,
  headersMs: 500,
  stallMs: 300,
  credentialMs: 300,
};

export function options(more: PartialRegistryOptions = {}) {
  return registryOptions({
    dockerConfigFolder: undefined,
    certificateFolders: [],
    trustedUids: [0, process.getuid?.() ?? 0],
    ...more,
    limits: { ...quick, ...more.limits },
  });
}

export function connect(
  server: { readonly host: string },
  more: PartialRegistryOptions = {},
  signal?: AbortSignal,
): Promise<RegistryClient> {
  return RegistryClient.connect(parseRemoteName(`${server.host}/lab/base`), options(more), signal);
}

export const repository = 'lab/base';

export function descriptorOf(bytes: Uint8Array, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

export const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
export const indexType = 'application/vnd.oci.image.index.v1+json';
export const configType = 'application/vnd.oci.image.config.v1+json';

const filler: Digest = digestOf('filler');

/** A manifest that is valid but for what `change` says. */
export function manifestBytes(change: object = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: configType, digest: filler, size: 2 },
      layers: [{ mediaType: layerType, digest: filler, size: 6 }],
      ...change,
    }),
  );
}

export function send(
  response: ServerResponse,
  status: number,
  body: string | Uint8Array = '',
  headers = {},
): undefined {
  response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers });
  response.end(body);
}

/** What a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error as Error & Record<string, unknown>;
    throw error;
  }
  throw new Error('it did not fail');
}

/** Reads a blob to its end. */
export async function readAll(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

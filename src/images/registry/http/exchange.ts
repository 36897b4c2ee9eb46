// Sends one HTTP request and reads its answer, nothing more: no retries, no redirects, no authentication. Every wait
// has a deadline: connecting, sending, the head of the answer, each piece of its body.

import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { hasErrno } from '../../../lib/errors.ts';
import { version } from '../../../lib/version.ts';
import { RegistryError } from '../failure.ts';
import type { RegistryLimits } from '../limits.ts';
import { bodyOf, collectBody } from './body.ts';
import { type RequestBody, sendBody } from './send-body.ts';

export interface ExchangeRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: RequestBody | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What answered, after redirects. */
  readonly url: URL;
  /** "GET https://…", for messages. */
  readonly what: string;
  /** The body as it arrives; ends with an error where the connection breaks or stalls. Read it once. */
  body(): AsyncGenerator<Uint8Array, void, undefined>;
  /** The whole body, at most `maxBytes` of it: more is an error. */
  bytes(maxBytes: number): Promise<Buffer>;
  /** Lets go of a body that nobody wants. */
  discard(): void;
}

/** What may be written in a message: a URL without its query, where registries put secrets. */
export function describeRequest(method: string, url: URL): string {
  return `${method} ${url.origin}${url.pathname}`;
}

/** Sends the request on a connection of `agent` and settles when the head of the answer is there. */
export function exchange(
  agent: http.Agent | https.Agent,
  limits: RegistryLimits,
  request: ExchangeRequest,
): Promise<Answer> {
  const what = describeRequest(request.method, request.url);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  request.signal?.throwIfAborted();
  const outgoing = open(agent, request);
  const { signal } = request;
  // Node tells an error of a request that has no socket yet when it has one; behind a proxy that takes a while.
  const onAbort = (): void => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const settled = (): void => signal?.removeEventListener('abort', onAbort);
  void promise.then(settled, settled);
  const deadline = Deadline.of(outgoing, what, reject);
  deadline.set(limits.connectMs, 'no connection');
  outgoing.once('socket', (socket) => onceConnected(socket, outgoing, () => deadline.clear()));
  let body: IncomingMessage | undefined;
  // Stays for the life of the request: an error after the head of the answer is one of the body.
  outgoing.on('error', (error) => {
    deadline.end();
    body?.destroy(error);
    reject(request.signal?.aborted === true ? request.signal.reason : asFailure(error, what));
  });
  outgoing.once('response', (incoming) => {
    deadline.end();
    body = incoming;
    resolve(answerOf(incoming, outgoing, { what, request, limits }));
  });
  outgoing.once('finish', () => deadline.after(limits.headersMs, 'no answer'));
  if (request.body === undefined) outgoing.end();
  else sendBody(outgoing, request.body, { what, stallMs: limits.stallMs }).catch(reject);
  return promise;
}

function open(agent: http.Agent | https.Agent, { method, url, headers, body, signal }: ExchangeRequest) {
  const send = url.protocol === 'https:' ? https.request : http.request;
  return send(url, {
    agent,
    method,
    headers: {
      'user-agent': `dockersh/${version}`,
      // Layers are compressed already; a body that was compressed on the way would not match its digest.
      'accept-encoding': 'identity',
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      ...headers,
    },
    ...(signal === undefined ? {} : { signal }),
  });
}

function onceConnected(socket: Socket, outgoing: ClientRequest, connected: () => void): void {
  if (outgoing.reusedSocket || !socket.connecting) connected();
  else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', connected);
}

/** One timer for the phases of a request; what it says becomes the error of the request. */
class Deadline {
  readonly #outgoing: ClientRequest;
  readonly #what: string;
  #timer: NodeJS.Timeout | undefined;
  #next: (() => void) | undefined;
  readonly #failed: (error: RegistryError) => void;
  #over = false;

  private constructor(outgoing: ClientRequest, what: string, failed: (error: RegistryError) => void) {
    this.#outgoing = outgoing;
    this.#what = what;
    this.#failed = failed;
  }

  static of(outgoing: ClientRequest, what: string, failed: (error: RegistryError) => void): Deadline {
    const deadline = new Deadline(outgoing, what, failed);
    outgoing.once('close', () => deadline.end());
    return deadline;
  }

  set(ms: number, missing: string): void {
    if (this.#over) return;
    this.#timer = setTimeout(() => {
      const why = `${missing} within ${ms / 1000} s`;
      const error = new RegistryError('unreachable', { what: this.#what, why, transient: true });
      this.#outgoing.destroy(error);
      this.#failed(error);
    }, ms);
  }

  /** Ends the phase that is under way, and begins the one that was announced. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#next?.();
    this.#next = undefined;
  }

  /** The next phase, now or when the one under way has ended: a short request "finishes" unconnected. */
  after(ms: number, missing: string): void {
    if (this.#timer === undefined) this.set(ms, missing);
    else this.#next = () => this.set(ms, missing);
  }

  end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }
}

interface Context {
  readonly what: string;
  readonly request: ExchangeRequest;
  readonly limits: RegistryLimits;
}

function answerOf(incoming: IncomingMessage, outgoing: ClientRequest, context: Context): Answer {
  const { what, request, limits } = context;
  // Without a listener an error between two reads would end the process; reading reports it.
  incoming.on('error', () => undefined);
  const body = () => bodyOf(incoming, { what, limits, signal: request.signal });
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    url: request.url,
    what,
    body,
    bytes: (maxBytes) => collectBody(body(), maxBytes, what),
    discard: () => discard(incoming, outgoing),
  };
}

/** A short body is read to its end so that the connection can be used again; a long one costs it. */
function discard(incoming: IncomingMessage, outgoing: ClientRequest): void {
  const length = Number(incoming.headers['content-length'] ?? Number.NaN);
  if (incoming.complete || (length <= 64 * 1024 && outgoing.writableFinished)) incoming.resume();
  else incoming.destroy();
}

const permanent = ['ENOTFOUND', 'EAI_NONAME', 'EINVAL', 'EACCES', 'EPERM'];
const malformed = /^HPE_|^ERR_HTTP|^ERR_INVALID|^ERR_STREAM_WRITE/;

/** What Node's error means. Certificates that are not trusted, and answers that are no HTTP, stay so. */
export function asFailure(error: unknown, what: string): unknown {
  if (error instanceof RegistryError || !(error instanceof Error)) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new RegistryError('limit', { what, why: 'the head of the answer is too long', cause: error });
  }
  if (malformed.test(code)) {
    return new RegistryError('answer', { what, why: `no valid HTTP (${error.message})`, cause: error });
  }
  if (isTlsFailure(code)) return tlsFailure(error, code, what);
  const transient = !hasErrno(error, ...permanent);
  return new RegistryError('unreachable', { what, why: `${error.message || code}`, transient, cause: error });
}

function isTlsFailure(code: string): boolean {
  return /CERT|ISSUER|SELF_SIGNED|^ERR_TLS|^ERR_SSL|^EPROTO$|^UNABLE_TO|^HOSTNAME_MISMATCH|CRL/.test(code);
}

function tlsFailure(error: Error, code: string, what: string): RegistryError {
  const [firstLine = code] = error.message.split('\n');
  return new RegistryError('unreachable', {
    what,
    why: `no trusted TLS connection: ${firstLine} (${code})`,
    hint: 'Put the certificate of its authority into /etc/dockersh/certs.d/HOST:PORT/ca.crt.',
    cause: error,
  });
}

// Opens TLS to a registry through a proxy (RFC 9110, section 9.3.6: CONNECT). The proxy sees the name of the host and
// what is encrypted, no more: certificates are the registry's, checked here. Node has agents for proxies of its own,
// but a request that waits for their tunnel can neither be aborted nor meet its deadline.

import http from 'node:http';
import https, { type AgentOptions } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { RegistryError } from '../failure.ts';
import { defaultContext } from './certificates.ts';
import { describeProxy, proxyAuthorization } from './proxy.ts';

export interface TunnelOptions extends AgentOptions {
  readonly secureContext: SecureContext;
  readonly proxy: URL;
  /** For the proxy and the handshake with the registry together. */
  readonly connectMs: number;
}

interface Target {
  readonly host?: string | null | undefined;
  readonly port?: number | string | null | undefined;
}

type Created = (error: Error | null, socket: Duplex) => void;

export class TunnelAgent extends https.Agent {
  readonly #tunnel: TunnelOptions;

  constructor(options: TunnelOptions) {
    const { proxy: _, connectMs: __, ...rest } = options;
    super(rest);
    this.#tunnel = options;
  }

  override createConnection(options: Target, callback?: Created): undefined {
    const host = options.host ?? '';
    const target = { host, port: Number(options.port ?? 443) };
    const done = callback ?? (() => undefined);
    void openTunnel(target, this.#tunnel).then(
      (socket) => done(null, socket),
      // The type wants a socket; Node looks at the error alone.
      (error: Error) => (done as (error: Error) => void)(error),
    );
    return undefined;
  }
}

async function openTunnel(
  target: { host: string; port: number },
  options: TunnelOptions,
): Promise<TLSSocket> {
  const deadline = AbortSignal.timeout(options.connectMs);
  const socket = await askProxy(target, options, deadline);
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const { host } = target;
  const secured = connect({
    socket,
    host,
    // An address is no server name (RFC 6066, section 3).
    servername: isIP(host) === 0 ? host : '',
    secureContext: options.secureContext,
    ALPNProtocols: ['http/1.1'],
  });
  const onTimeout = (): void => {
    secured.destroy(tooSlow(target, options));
  };
  deadline.addEventListener('abort', onTimeout, { once: true });
  secured.once('secureConnect', () => resolve(secured));
  secured.once('error', reject);
  secured.once('close', () => reject(broken(target, options, 'the connection ended in the handshake')));
  try {
    return await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    deadline.removeEventListener('abort', onTimeout);
  }
}

/** The connection to the proxy, when that has made one to the target. */
async function askProxy(
  target: { host: string; port: number },
  options: TunnelOptions,
  deadline: AbortSignal,
): Promise<Duplex> {
  const { proxy } = options;
  const authorization = proxyAuthorization(proxy);
  const name = nameOf(target);
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const secure = proxy.protocol === 'https:';
  const request = (secure ? https : http).request({
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port === '' ? (secure ? 443 : 80) : Number(proxy.port),
    method: 'CONNECT',
    path: name,
    headers: { host: name, ...(authorization !== undefined && { 'proxy-authorization': authorization }) },
    agent: false,
    signal: deadline,
    ...(secure && { secureContext: defaultContext() }),
  });
  request.once('connect', (answer, socket, head) => {
    const { statusCode: status = 0 } = answer;
    if (status >= 200 && status < 300 && head.length === 0) resolve(socket);
    else {
      socket.destroy();
      reject(status >= 300 || status < 200 ? refused(target, options, status) : spokeFirst(target, options));
    }
  });
  request.once('response', (answer) => {
    answer.destroy();
    reject(refused(target, options, answer.statusCode ?? 0));
  });
  request.once('error', (error) => {
    reject(deadline.aborted ? tooSlow(target, options) : broken(target, options, error.message));
  });
  request.end();
  return promise;
}

function nameOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

type Failure = (target: { host: string; port: number }, options: TunnelOptions) => RegistryError;

/** How a refusal of the proxy can be told from one of the registry: as the code of the error's cause. */
export const tunnelCode = 'ETUNNEL';

function refused(target: { host: string; port: number }, { proxy }: TunnelOptions, status: number) {
  const cause = Object.assign(new Error(`CONNECT was answered with ${status}`), { code: tunnelCode });
  return new RegistryError(status === 407 ? 'denied' : 'unreachable', {
    what: `CONNECT ${nameOf(target)}`,
    why: `${describeProxy(proxy)} answers ${status}`,
    hint:
      status === 407
        ? 'Write the name and password into the URL of the proxy.'
        : 'See the log of the proxy, or list the host under no_proxy of [images].',
    transient: status >= 500,
    cause,
  });
}

function broken(target: { host: string; port: number }, { proxy }: TunnelOptions, why: string) {
  const what = `CONNECT ${nameOf(target)}`;
  return new RegistryError('unreachable', { what, why: `${describeProxy(proxy)}: ${why}`, transient: true });
}

const tooSlow: Failure = (target, options) =>
  broken(target, options, `no tunnel within ${options.connectMs / 1000} s`);

/** What comes before we have said anything would be read as the registry's. */
const spokeFirst: Failure = (target, { proxy }) =>
  new RegistryError('answer', {
    what: `CONNECT ${nameOf(target)}`,
    why: `${describeProxy(proxy)} sends more than an answer`,
  });

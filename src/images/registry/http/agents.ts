// Keep-alive connections of one pull or push. Every host gets an agent of its own, so that the client
// certificate and the extra authorities of one host are never used with another one that it redirects to.

import http from 'node:http';
import https from 'node:https';
import type { SecureContext } from 'node:tls';
import { RegistryError } from '../failure.ts';
import type { RegistryOptions } from '../options.ts';
import { contextFor, defaultContext, type HostCertificates, readCertificates } from './certificates.ts';
import { proxyFor } from './proxy.ts';
import { TunnelAgent } from './tunnel.ts';

export class Agents implements Disposable {
  readonly #options: RegistryOptions;
  readonly #agents = new Map<string, Promise<http.Agent | https.Agent>>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** For the origin of `url`. Throws E_UNTRUSTED_PATH where its certificates cannot be trusted. */
  for(url: URL): Promise<http.Agent | https.Agent> {
    const known = this.#agents.get(url.origin);
    if (known !== undefined) return known;
    const made = this.#make(url);
    this.#agents.set(url.origin, made);
    return made;
  }

  /** True where an administrator has put certificates for this host: it is meant to speak TLS. */
  async hasCertificates(url: URL): Promise<boolean> {
    return (await this.#read(url)) !== undefined;
  }

  #read(url: URL) {
    const { certificateFolders, trustedUids } = this.#options;
    return readCertificates(certificateFolders, url, trustedUids === undefined ? {} : { trustedUids });
  }

  async #make(url: URL): Promise<http.Agent | https.Agent> {
    // Not bounded: who asks bounds itself, and a request that waits for a connection would miss its deadline.
    const keep = { keepAlive: true, keepAliveMsecs: 30_000, timeout: 60_000 };
    const proxy = proxyFor(url, this.#options.proxies);
    if (url.protocol === 'http:') {
      // Ours to choose, for this one host: Node would leave out what NO_PROXY says, and that is done.
      return new http.Agent(proxy === undefined ? keep : { ...keep, proxyEnv: { HTTP_PROXY: proxy.href } });
    }
    const found = await this.#read(url);
    const secureContext = found === undefined ? defaultContext() : this.#context(url, found);
    if (proxy === undefined) return new https.Agent({ ...keep, secureContext });
    return new TunnelAgent({ ...keep, secureContext, proxy, connectMs: this.#options.limits.connectMs });
  }

  #context(url: URL, found: HostCertificates): SecureContext {
    try {
      return contextFor(found);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const hint = 'Files must be PEM: NAME.crt of an authority, NAME.cert and NAME.key of a client.';
      throw new RegistryError('refused', { what: `the certificates for ${url.host}`, why, hint, cause });
    }
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) {
      // Whoever asked for one that could not be made has been told.
      void agent.then((made) => made.destroy()).catch(() => undefined);
    }
    this.#agents.clear();
  }
}

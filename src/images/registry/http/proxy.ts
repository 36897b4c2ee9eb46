// Chooses the proxy by which a registry is reached: by the policy, or by the variables that every HTTP client knows
// (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). This machine itself is never asked for by way of a proxy: whoever runs the
// proxy would answer in its place, and plain HTTP is allowed there. Pure.

import { BlockList, isIP } from 'node:net';
import { RegistryError } from '../failure.ts';
import { isLoopback } from './hosts.ts';

export interface ProxySettings {
  readonly http: URL | undefined;
  readonly https: URL | undefined;
  /** Hosts that are reached directly, as NO_PROXY has them. */
  readonly except: readonly string[];
}

export interface ProxyPolicy {
  /** "environment", "none", or the proxy's URL. */
  readonly proxy: string;
  readonly noProxy: readonly string[];
}

/** Throws RegistryError where a variable is no address of a proxy. */
export function proxySettings(policy: ProxyPolicy, environment: NodeJS.ProcessEnv): ProxySettings {
  const except = [...policy.noProxy, ...splitHosts(variable(environment, 'NO_PROXY') ?? '')];
  if (policy.proxy === 'none') return { http: undefined, https: undefined, except };
  if (policy.proxy !== 'environment') {
    const proxy = addressOf(policy.proxy, '[images] proxy');
    return { http: proxy, https: proxy, except };
  }
  const read = (name: string): URL | undefined => {
    const text = variable(environment, name);
    return text === undefined ? undefined : addressOf(text, name);
  };
  return { http: read('HTTP_PROXY'), https: read('HTTPS_PROXY'), except };
}

/** The proxy for this address; undefined: none. */
export function proxyFor(url: URL, { http, https, except }: ProxySettings): URL | undefined {
  if (isLoopback(url.hostname) || except.some((entry) => matches(entry, url))) return undefined;
  return url.protocol === 'https:' ? https : http;
}

/** A proxy in a message: without the password that its URL may hold. */
export function describeProxy(proxy: URL): string {
  return `the proxy ${proxy.protocol}//${proxy.host}`;
}

/** The value of Proxy-Authorization; undefined where the URL has no name in it. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (username === '') return undefined;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
}

/** As curl and Go have it: lower case or upper case, empty is unset. */
function variable(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  return [environment[name], environment[name.toLowerCase()]].find((value) => (value ?? '') !== '');
}

function addressOf(text: string, from: string): URL {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url !== null && isProxyAddress(url)) return url;
  throw new RegistryError('refused', {
    what: from,
    why: 'it is no address of an HTTP proxy', // not quoted: it may hold a password
    hint: 'Write http://HOST:PORT, or take it away.',
  });
}

export function isProxyAddress(url: URL): boolean {
  const plain = url.pathname === '/' && url.search === '' && url.hash === '';
  return plain && (url.protocol === 'http:' || url.protocol === 'https:') && isDecodable(url);
}

function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(`${username}${password}`);
    return true;
  } catch {
    return false; // URIError is all that it throws
  }
}

export function splitHosts(text: string): string[] {
  return text.split(/[\s,]+/).filter((entry) => entry !== '');
}

/** "*", "host" and all below it, ".host" for what is below alone, an address, a network; with a port or not. */
function matches(entry: string, url: URL): boolean {
  if (entry === '*') return true;
  const host = bare(url.hostname);
  if (entry.includes('/')) return isInNetwork(host, entry);
  const [, name = entry, port] = /^(.*[^:]):([0-9]{1,5})$/.exec(entry) ?? [];
  const whole = isIP(bare(entry)) === 6 ? entry : name;
  const own = url.port === '' ? (url.protocol === 'http:' ? '80' : '443') : url.port;
  if (whole === name && port !== undefined && port !== own) return false;
  const wanted = bare(whole.toLowerCase()).replace(/^\*\./, '.');
  if (wanted.startsWith('.')) return host.endsWith(wanted);
  return host === wanted || (isIP(host) === 0 && host.endsWith(`.${wanted}`));
}

function isInNetwork(host: string, network: string): boolean {
  const [address = '', bits = ''] = network.split('/');
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family || !/^[0-9]{1,3}$/.test(bits)) return false;
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(address, Number(bits), type);
  return list.check(host, type);
}

function bare(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

// Decides which hosts may be talked to without TLS, and which addresses count as this machine. Pure.

import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');
loopback.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

/** The name without the brackets that URLs put around IPv6 addresses. */
function bareHost(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

/** By name alone: an address of the loopback network, or localhost (RFC 6761, section 6.3). */
export function isLoopback(hostname: string): boolean {
  const host = bareHost(hostname.toLowerCase());
  const family = isIP(host);
  if (family === 0) return host === 'localhost';
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** Addresses that are no loopback's, and yet mean this machine to connect(2). */
const unspecified = new BlockList();
unspecified.addSubnet('0.0.0.0', 8, 'ipv4');
unspecified.addAddress('::', 'ipv6');
unspecified.addSubnet('::ffff:0.0.0.0', 104, 'ipv6');

/**
 * Whether a name leads to this machine, in any spelling: what must not be followed from elsewhere. Names that DNS
 * gives an address of this machine are not told by this.
 */
export function isThisMachine(hostname: string): boolean {
  if (isLoopback(hostname)) return true;
  const host = bareHost(hostname.toLowerCase());
  const family = isIP(host);
  if (family === 0) return /(?:^|\.)localhost\.?$/.test(host);
  return unspecified.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** Plain HTTP: this machine, and what policy lists as "host" or "host:port". */
export function mayBePlain(url: URL, listed: readonly string[]): boolean {
  if (isLoopback(url.hostname)) return true;
  return listed.some((entry) => {
    const name = entry.toLowerCase();
    return name === url.hostname || name === hostAndPort(url) || name === url.host;
  });
}

/** "host:port", with the port that the scheme implies. */
function hostAndPort(url: URL): string {
  return `${url.hostname}:${url.port === '' ? (url.protocol === 'http:' ? '80' : '443') : url.port}`;
}

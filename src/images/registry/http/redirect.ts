// Decides whether an answer may redirect us: blobs often lie with another host, under a signed URL. Pure. Credentials
// never go along to another origin; the digest decides whether what comes from there is believed.

import { RegistryError } from '../failure.ts';
import { isLoopback, isThisMachine, mayBePlain } from './hosts.ts';

const redirectStatus = new Set([301, 302, 303, 307, 308]);

export function isRedirect(status: number): boolean {
  return redirectStatus.has(status);
}

/** The URL of a Location header. Throws an `answer` where it is none, `astray` where it must not be followed. */
export function followLocation(
  location: string | undefined,
  from: URL,
  plainHttpHosts: readonly string[],
): URL {
  const what = `the address that ${from.host} leads to`;
  const refuse = (why: string): RegistryError => new RegistryError('astray', { what, why });
  const url = location === undefined || location === '' ? null : URL.parse(location, from);
  if (url === null) throw new RegistryError('answer', { what, why: 'it is no URL' });
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw refuse(`it has the scheme ${url.protocol.slice(0, -1)}`);
  }
  if (url.username !== '' || url.password !== '') throw refuse('it has credentials in it');
  if (url.protocol === 'http:' && from.protocol === 'https:') {
    const hint = 'A registry behind a proxy has to be told that its own address starts with https.';
    throw new RegistryError('astray', {
      what,
      why: `${url.origin} is not encrypted, ${from.origin} is`,
      hint,
    });
  }
  if (isThisMachine(url.hostname) && !isLoopback(from.hostname)) throw refuse('it is on this machine');
  if (url.protocol === 'http:' && !mayBePlain(url, plainHttpHosts)) {
    throw refuse(`${url.origin} is not encrypted`);
  }
  url.hash = '';
  return url;
}

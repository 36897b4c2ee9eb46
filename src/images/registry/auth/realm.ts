// Decides whether a registry may send us to an address for a token. Its answer names the place, so this is where it
// could make the daemon talk to things that the registry itself cannot reach, or lead credentials astray. Pure.
//
// A realm on another host is normal (docker.io has auth.docker.io), and credentials go there as docker sends
// them: they are the ones for this registry, which could as well have asked for them itself. But
//   - they need a way on which nobody can listen or answer in the registry's place: TLS from end to end, the
//     challenge included, or this machine's loopback;
//   - only a registry on this machine may name a realm on this machine;
//   - plain HTTP stays on the host where it was allowed.

import { RegistryError } from '../failure.ts';
import { isLoopback, isThisMachine } from '../http/hosts.ts';

export interface Realm {
  readonly url: URL;
  readonly service: string | undefined;
  /** Whether credentials may be sent there. */
  readonly confidential: boolean;
}

/** Throws an `answer` where it is no URL, `astray` where it leads to what must not be asked. */
export function checkRealm(text: string | undefined, service: string | undefined, registry: URL): Realm {
  const what = `the token server that ${registry.host} names`;
  const refuse = (why: string): RegistryError => new RegistryError('astray', { what, why });
  const url = text === undefined || text.length > 2048 ? null : URL.parse(text);
  if (url === null) throw new RegistryError('answer', { what, why: 'its realm is no URL' });
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw refuse(`its realm has the scheme ${url.protocol.slice(0, -1)}`);
  }
  if (url.username !== '' || url.password !== '') throw refuse('its realm has credentials in it');
  const local = isLoopback(registry.hostname);
  if (isThisMachine(url.hostname) && !local) throw refuse('its realm is on this machine');
  if (url.protocol === 'http:' && !mayBePlain(url, registry, local)) {
    throw refuse(`its realm ${url.origin} is not encrypted`);
  }
  url.hash = '';
  const confidential = isConfidential(registry) && isConfidential(url);
  return { url, service, confidential };
}

function mayBePlain(realm: URL, registry: URL, local: boolean): boolean {
  if (registry.protocol !== 'http:') return local && isLoopback(realm.hostname);
  return realm.hostname === registry.hostname || (local && isLoopback(realm.hostname));
}

/** Nobody but the two ends reads what goes there. */
export function isConfidential(url: URL): boolean {
  return url.protocol === 'https:' || isLoopback(url.hostname);
}

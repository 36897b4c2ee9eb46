// Finds ports of the host that two users publish, that are in a pool, or that the pool does not have. Pure.

import type { PortPool } from '../../lib/network/network.ts';
import type { Place, Policy } from '../policy.ts';
import { settingsNaming } from '../precedence.ts';
import { checkPolicyValue, type PolicySection } from '../schema.ts';
import { ownPortsFault } from './own-ports.ts';
import type { Given, Problems } from './places.ts';

/** Ports of one address that everybody wants whom one line is for. */
interface Claim {
  readonly key: 'publish' | 'mosh_ports';
  readonly protocol: 'tcp' | 'udp';
  /** null: all addresses. */
  readonly address: string | null;
  readonly first: number;
  readonly last: number;
  readonly place: Place;
  readonly users: string[];
}

/** Services and people who left have accounts as well, and no sandbox. */
const isPerson = (uid: number | undefined): boolean => uid !== undefined && uid >= 1000 && uid !== 65_534;

export function findPortProblems(policy: Policy, given: readonly Given[], problems: Problems): void {
  findPoolProblems(policy, problems);
  const claims = claimsOf(given.filter(({ user }) => isPerson(user.uid)));
  for (const [index, claim] of claims.entries()) {
    warnOfPool(claim, policy, problems);
    if (claim.users.length > 1)
      problems.add(
        'error',
        claim.place,
        `${claim.key}: ${claim.users.length} users would have ${portsText(claim)} of the host: ${someOf(claim.users)}`,
        "a port is one sandbox's: write +N, which is a port of each user's own",
      );
    for (const other of claims.slice(0, index)) reportBoth(other, claim, problems);
  }
}

function claimsOf(given: readonly Given[]): Claim[] {
  const claims = new Map<string, Claim>();
  const claim = (user: string, wanted: Omit<Claim, 'users'>): void => {
    const name = JSON.stringify(wanted);
    const known = claims.get(name);
    if (known === undefined) claims.set(name, { ...wanted, users: [user] });
    else known.users.push(user);
  };
  for (const { user, network, keys } of given) {
    const placeOf = (key: Claim['key']): Place | undefined => {
      const { file, line } = keys.find((one) => one.key === key)?.from.at(-1) ?? {};
      return file === undefined || line === undefined ? undefined : { file, line };
    };
    const place = placeOf('publish');
    for (const { own, protocol, address, first, count } of network?.publish ?? []) {
      if (own || place === undefined) continue;
      claim(user.name, { key: 'publish', protocol, address, first, last: first + count - 1, place });
    }
    const moshPlace = placeOf('mosh_ports');
    if (network?.mosh?.kind !== 'range' || moshPlace === undefined) continue;
    const { first, last } = network.mosh;
    claim(user.name, { key: 'mosh_ports', protocol: 'udp', address: null, first, last, place: moshPlace });
  }
  return [...claims.values()];
}

function reportBoth(one: Claim, other: Claim, problems: Problems): void {
  const [first, last] = [Math.max(one.first, other.first), Math.min(one.last, other.last)];
  if (one.protocol !== other.protocol || first > last || !sameAddress(one.address, other.address)) return;
  const both = { ...other, first, last };
  problems.add(
    'error',
    other.place,
    `${other.key}: ${portsText(both)} of the host would be ${someOf(other.users)}'s and, by ${one.place.file}:${one.place.line}, ${someOf(one.users)}'s`,
    "a port is one sandbox's",
  );
}

function sameAddress(one: string | null, other: string | null): boolean {
  if (one === null || other === null || one === other) return true;
  const all = (address: string): string => (address.includes(':') ? '::' : '0.0.0.0');
  return all(one) === all(other) && (one === all(one) || other === all(other));
}

function warnOfPool(claim: Claim, { host }: Policy, problems: Problems): void {
  for (const [name, pool] of [
    ['publish_pool', host.publishPool],
    ['mosh_pool', claim.protocol === 'udp' ? host.moshPool : null],
  ] as const) {
    if (pool === null || claim.last < pool.first || claim.first > pool.last) continue;
    const message = `${claim.key}: ${portsText(claim)} is of ${name}, which has it for some user`;
    problems.add('warning', claim.place, message, 'take a port outside of the pools');
  }
}

function findPoolProblems(policy: Policy, problems: Problems): void {
  const { host } = policy;
  const overlaps = (one: PortPool | null, other: PortPool | null): boolean =>
    one !== null && other !== null && one.first <= other.last && other.first <= one.last;
  if (overlaps(host.publishPool, host.moshPool)) {
    const message = "[host]: publish_pool and mosh_pool overlap: some ports would be two users'";
    problems.add('error', { file: policy.file, line: 0 }, message);
  }
  for (const key of ['publish', 'mosh_ports'] as const) {
    for (const setting of settingsNaming(policy, key)) {
      const checked = checkPolicyValue(key, setting.text);
      // The type of the key made it.
      const value = checked.ok ? ({ [key]: checked.value } as PolicySection) : {};
      const fault = ownPortsFault(value, host);
      if (fault !== undefined) problems.add('error', setting, fault);
    }
  }
}

function portsText({ protocol, address, first, last }: Claim): string {
  const ports = first === last ? `${protocol} port ${first}` : `${protocol} ports ${first}-${last}`;
  return address === null ? ports : `${ports} at ${address}`;
}

const mostNamed = 5;

function someOf(users: readonly string[]): string {
  const more = users.length - mostNamed;
  return users.slice(0, mostNamed).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

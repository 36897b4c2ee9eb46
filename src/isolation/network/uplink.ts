// Works out how sandboxes get out of this host: through which interfaces, with which size of packets, and whether by
// IPv6 as well. Forwarding is switched on there and nowhere else.

import type { DefaultRoute, HostRoutes } from './routes.ts';
import type { Sysctls } from './sysctls.ts';

/** `how`: what is switched on. "nothing": the host forwards IPv6 already. */
export type Ipv6 =
  | { readonly ok: true; readonly how: 'nothing' | 'uplinks' | 'all' }
  | { readonly ok: false; readonly why: string; readonly hint: string };

export const noPool6: Ipv6 = {
  ok: false,
  why: 'the policy says network_pool6 = none',
  hint: 'Nothing is to be done.',
};

const file4 = (device: string): string => `net/ipv4/conf/${device}/forwarding`;
const file6 = (device: string, name: string): string => `net/ipv6/conf/${device}/${name}`;

/** Interfaces of default routes, of the family or of both. */
export function uplinksOf({ defaults }: HostRoutes, family?: 4 | 6): string[] {
  const wanted = defaults.filter((route) => family === undefined || route.family === family);
  return [...new Set(wanted.map(({ device }) => device))].sort();
}

/** Of the best route of each family the smaller one: what is larger has no way out by one of them. */
export function mtuOf({ defaults }: HostRoutes, mtu: (device: string) => number | undefined): number {
  const best = ([4, 6] as const).flatMap((family) => {
    const [first] = defaults
      .filter((route) => route.family === family)
      .toSorted((one, other) => one.metric - other.metric);
    return first === undefined ? [] : [mtu(first.device) ?? standardMtu];
  });
  return best.length === 0 ? standardMtu : Math.max(Math.min(largestMtu, ...best), smallestMtu);
}

/** Of Ethernet, for a host without a way out. */
const standardMtu = 1500;
/** Of a veth. */
const largestMtu = 65_535;
/** IPv6 wants no less (RFC 8200). */
const smallestMtu = 1280;

/**
 * Whether sandboxes can have IPv6. A kernel before 6.17 forwards for all interfaces or for none, and a host that
 * begins to forward forgets the routers that have advertised themselves, unless accept_ra is 2 there.
 */
export function decideIpv6({ defaults }: HostRoutes, sysctls: Pick<Sysctls, 'read' | 'held'>): Ipv6 {
  const uplinks = defaults.filter(({ family }) => family === 6);
  if (uplinks.length === 0)
    return { ok: false, why: 'this host has no default route of IPv6', hint: 'Nothing is to be done.' };
  if (uplinks.every(({ device }) => sysctls.read(file6(device, 'force_forwarding')) !== undefined))
    return { ok: true, how: 'uplinks' };
  const all = file6('all', 'forwarding');
  if (sysctls.read(all) === '1') return { ok: true, how: sysctls.held().includes(all) ? 'all' : 'nothing' };
  const lost = uplinks.find((route) => isLost(route, sysctls));
  if (lost === undefined) return { ok: true, how: 'all' };
  return {
    ok: false,
    why: `forwarding IPv6 would cost this host its default route through ${lost.device}, which a router has advertised`,
    hint: `Have the kernel keep it: sysctl -w net.ipv6.conf.${lost.device}.accept_ra=2 (and in /etc/sysctl.d).`,
  };
}

function isLost({ device, advertised }: DefaultRoute, sysctls: Pick<Sysctls, 'read'>): boolean {
  return advertised && sysctls.read(file6(device, 'accept_ra')) !== '2';
}

/** Files below /proc/sys that have to be "1", with the interface that each is about; "*": all. */
function neededFor(routes: HostRoutes, ipv6: Ipv6): [file: string, device: string][] {
  const needed: [string, string][] = uplinksOf(routes, 4).map((device) => [file4(device), device]);
  if (!ipv6.ok || ipv6.how === 'nothing') return needed;
  if (ipv6.how === 'all') return [...needed, [file6('all', 'forwarding'), '*']];
  return [
    ...needed,
    ...uplinksOf(routes, 6).map((device): [string, string] => [file6(device, 'force_forwarding'), device]),
  ];
}

/** Switches on what is needed: what each setting was is remembered. */
export async function forward(routes: HostRoutes, ipv6: Ipv6, sysctls: Sysctls): Promise<void> {
  for (const [file] of neededFor(routes, ipv6)) await sysctls.set(file, '1');
}

/** Interfaces that forward because of sandboxes alone. */
export function switchedOn(routes: HostRoutes, ipv6: Ipv6, sysctls: Sysctls): string[] {
  const held = new Set(sysctls.held());
  const ours = neededFor(routes, ipv6).filter(([file]) => held.has(file) || sysctls.read(file) !== '1');
  return [...new Set(ours.map(([, device]) => device))];
}

// Reads what of IPv4 and IPv6 this host has: its own addresses, all that it has routes to, and where its default routes
// lead. From the kernel's lists below /proc/net, which are those of the daemon's own network.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { hasErrno } from '../../lib/errors.ts';
import { addressFrom, type Cidr, type Family, formatCidr, holds } from '../../lib/network/address.ts';
import { linkPrefix } from './links.ts';

/** An interface that a default route leads through. */
export interface DefaultRoute {
  readonly family: Family;
  readonly device: string;
  readonly metric: number;
  /** A router has advertised it, and the kernel took it up: it goes when the host begins to forward. */
  readonly advertised: boolean;
}

export interface Attached {
  readonly network: Cidr;
  readonly device: string;
}

export interface HostRoutes {
  /** What packets are delivered to here, without the loopback: addresses, blocks and broadcast addresses. */
  readonly own: readonly Cidr[];
  /** Every block with a route of any table, but for the default ones. */
  readonly used: readonly Cidr[];
  /** Networks that an interface is in, so that no router is asked. */
  readonly attached: readonly Attached[];
  readonly defaults: readonly DefaultRoute[];
}

/** route.h and ipv6_route.h */
const rejects = 0x200;
const byRouter = 0x2;
const routerAdvertised = 0x0001_0000 | 0x0004_0000;
const isLocal6 = 0x8000_0000;

const loopback4: Cidr = { family: 4, address: '127.0.0.0', prefix: 8 };
const loopback6: Cidr = { family: 6, address: '::1', prefix: 128 };

/** `folder`: /proc/net, or what a test puts in its place. */
export function readRoutes(folder = '/proc/net'): HostRoutes {
  const trie = parseTrie(read(folder, 'fib_trie'));
  const routes4 = parseRoutes4(read(folder, 'route'));
  const routes6 = parseRoutes6(read(folder, 'ipv6_route'));
  const addresses6 = parseAddresses6(read(folder, 'if_inet6'));
  const own6 = routes6.filter(({ flags }) => (flags & isLocal6) >>> 0 !== 0).map(({ target }) => target);
  return {
    own: unique([
      ...trie.filter(({ type }) => type === 'LOCAL' || type === 'BROADCAST').map(({ target }) => target),
      ...addresses6,
      ...own6,
    ]).filter((one) => !isLoopback(one) && !isLinkLocal(one)),
    used: unique([
      ...trie.filter(({ type }) => type !== 'BROADCAST').map(({ target }) => target),
      ...addresses6,
      ...routes6.map(({ target }) => target),
    ]).filter((one) => one.prefix > 0 && !isLoopback(one)),
    attached: [...routes4.flatMap(attached4), ...routes6.flatMap(attached6)],
    defaults: [...routes4.flatMap(default4), ...defaults6(routes6)],
  };
}

function isLoopback(block: Cidr): boolean {
  return holds(loopback4, block) || holds(loopback6, block);
}

/** Closed to every sandbox as it is. */
function isLinkLocal(block: Cidr): boolean {
  const [linkLocal, multicast] = ['fe80::', 'ff00::'] as const;
  return (
    holds({ family: 6, address: linkLocal, prefix: 10 }, block) ||
    holds({ family: 6, address: multicast, prefix: 8 }, block)
  );
}

/** "" where the kernel has no such list: without IPv6, for instance. */
function read(folder: string, name: string): string {
  try {
    return readFileSync(path.join(folder, name), 'utf8');
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    return '';
  }
}

function unique(blocks: readonly Cidr[]): Cidr[] {
  return [...new Map(blocks.map((one) => [formatCidr(one), one])).values()];
}

/** Leaves are "|-- ADDRESS", with a line "/PREFIX SCOPE TYPE" for each route below. */
function parseTrie(text: string): { target: Cidr; type: string }[] {
  const found: { target: Cidr; type: string }[] = [];
  let address = '0.0.0.0';
  for (const line of text.split('\n')) {
    address = /\|-- ([\d.]+)$/.exec(line)?.[1] ?? address;
    const [, prefix, type] = /^\s+\/(\d+) \S+ ([A-Z]+)/.exec(line) ?? [];
    if (type !== undefined) found.push({ target: { family: 4, address, prefix: Number(prefix) }, type });
  }
  return found;
}

interface Route {
  readonly target: Cidr;
  readonly metric: number;
  readonly flags: number;
  readonly device: string;
}

/** Of the main table. Iface Destination Gateway Flags RefCnt Use Metric Mask …: hexadecimal, but for Metric. */
function parseRoutes4(text: string): Route[] {
  return text.split('\n').flatMap((line) => {
    const [device = '', destination = '', , flags = '0', , , metric, mask = ''] = line.split(/\s+/);
    if (!/^[0-9A-F]{8}$/.test(destination)) return []; // the heading
    return [
      {
        target: { ...addressFrom(4, reversed(destination)), prefix: bitsIn(reversed(mask)) },
        metric: Number(metric),
        flags: Number.parseInt(flags, 16),
        device,
      },
    ];
  });
}

/** As the machine has the number in memory: the last byte first. */
function reversed(hexadecimal: string): bigint {
  return BigInt(`0x${(hexadecimal.match(/../g) ?? []).reverse().join('')}`);
}

function bitsIn(mask: bigint): number {
  return mask.toString(2).replaceAll('0', '').length;
}

function default4({ target, metric, flags, device }: Route): DefaultRoute[] {
  if (target.prefix !== 0 || (flags & rejects) !== 0 || !isUplink(device)) return [];
  return [{ family: 4, device, metric, advertised: false }];
}

function isAttached({ target, flags, device }: Route): boolean {
  return target.prefix > 0 && (flags & (rejects | byRouter)) === 0 && isUplink(device);
}

function attached4(route: Route): Attached[] {
  return isAttached(route) ? [{ network: route.target, device: route.device }] : [];
}

/** One's own addresses and link-local ones are closed as they are. */
function attached6(route: Route): Attached[] {
  const isOwn = (route.flags & isLocal6) >>> 0 !== 0;
  return isOwn || isLinkLocal(route.target) ? [] : attached4(route);
}

/** Destination prefix, source prefix, next hop, metric, references, uses, flags (all hexadecimal) and the interface. */
function parseRoutes6(text: string): Route[] {
  return text.split('\n').flatMap((line) => {
    const [target, prefix, , , , metric, , , flags, device] = line.trim().split(/\s+/);
    if (target === undefined || prefix === undefined || device === undefined) return [];
    return [
      {
        target: block6(target, Number.parseInt(prefix, 16)),
        metric: Number.parseInt(metric ?? '', 16),
        flags: Number.parseInt(flags ?? '', 16),
        device,
      },
    ];
  });
}

function defaults6(routes: readonly Route[]): DefaultRoute[] {
  return routes
    .filter(({ target, flags, device }) => target.prefix === 0 && (flags & rejects) === 0 && isUplink(device))
    .map(({ device, metric, flags }) => ({
      family: 6,
      device,
      metric,
      advertised: (flags & routerAdvertised) !== 0,
    }));
}

/** Address, index of the interface, prefix, scope, flags, name. */
function parseAddresses6(text: string): Cidr[] {
  return text.split('\n').flatMap((line) => {
    const [address] = line.trim().split(/\s+/);
    return address === undefined || address === '' ? [] : [block6(address, 128)];
  });
}

function block6(hexadecimal: string, prefix: number): Cidr {
  return { ...addressFrom(6, BigInt(`0x${hexadecimal}`)), prefix };
}

function isUplink(device: string): boolean {
  return device !== 'lo' && !device.startsWith(linkPrefix);
}

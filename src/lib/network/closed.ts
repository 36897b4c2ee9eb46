// Names what a private network never reaches unless the policy opens it. The kernel is told the same by
// native/network. Pure.

import { type Address, addressFrom, bitsOf, type Cidr, holds, numberOf } from './address.ts';

/** What is different from host to host. */
export interface Surroundings {
  /** The blocks that sandboxes' addresses are from. */
  readonly pools: readonly Cidr[];
  /** The host's own addresses. */
  readonly host: readonly Cidr[];
  /** Networks of the host's own bridges. */
  readonly bridged: readonly Cidr[];
}

const v4 = (address: string, prefix = 32): Cidr => ({ family: 4, address, prefix });
const v6 = (address: string, prefix = 128): Cidr => ({ family: 6, address, prefix });

/** Where clouds answer questions about the machine, credentials among them, to whoever asks from it. */
const metadata = [
  ...[v4('169.254.169.254'), v4('168.63.129.16'), v4('100.100.100.200'), v4('192.0.0.192')],
  ...[v6('fd00:ec2::254'), v6('fd20:ce::254'), v6('fd00:c1::a9fe:a9fe'), v6('fd00:42::42')],
];

const always: readonly { readonly what: string; readonly blocks: readonly Cidr[] }[] = [
  { what: "where clouds keep the machine's credentials", blocks: metadata },
  { what: 'a link-local address', blocks: [v4('169.254.0.0', 16), v6('fe80::', 10)] },
  {
    what: 'for many hosts at once (multicast, broadcast)',
    blocks: [v4('224.0.0.0', 4), v4('255.255.255.255'), v6('ff00::', 8)],
  },
  {
    what: 'no address that another host can have',
    blocks: [v4('0.0.0.0', 8), v4('127.0.0.0', 8), v6('::', 96), v6('::ffff:0.0.0.0', 96)],
  },
];

/** A translator turns what follows this into an address of IPv4 (RFC 6052). */
const translated = v6('64:ff9b::', 96);

const inside = [v4('127.0.0.0', 8), v4('0.0.0.0'), v6('::1'), v6('::')];

const holdsAny = (blocks: readonly Cidr[], one: Cidr): boolean => blocks.some((block) => holds(block, one));

/** A loopback address: it leads nowhere but to the sandbox itself. */
export const isInside = (address: Address): boolean => holdsAny(inside, whole(address));

/** Why all of a block is closed; undefined: not all of it is. */
export function whyClosed(block: Cidr, surroundings: Surroundings): string | undefined {
  const { pools, host, bridged } = surroundings;
  const known = always.find(({ blocks }) => holdsAny(blocks, block))?.what;
  if (known !== undefined) return known;
  if (holdsAny(host, block)) return 'an address of this host';
  if (holdsAny(pools, block)) return "another sandbox's address";
  if (holdsAny(bridged, block)) return "in a network of this host's own, of containers or virtual machines";
  if (!holds(translated, block)) return undefined;
  const behind = addressFrom(4, numberOf(block) & 0xffff_ffffn);
  return whyClosed({ ...behind, prefix: block.prefix - translated.prefix }, surroundings);
}

export const whole = (address: Address): Cidr => ({ ...address, prefix: bitsOf(address.family) });

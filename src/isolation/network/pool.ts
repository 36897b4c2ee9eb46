// Chooses the addresses that sandboxes have, and says which is whose. The first address of a pool is the resolver's; then
// come users, in the order of their indexes.

import { randomBytes } from 'node:crypto';
import { DockershError } from '../../lib/errors.ts';
import { addressFrom, bitsOf, type Cidr, formatCidr, numberOf, overlap } from '../../lib/network/address.ts';

/** Pools in force. `v6`: undefined: sandboxes have no IPv6. */
export interface Pools {
  readonly v4: Cidr;
  readonly v6: Cidr | undefined;
}

/**
 * Blocks of private address space, those first that nothing is known to take by itself: Docker takes from 172.17 and
 * from 192.168, Podman from 10.88. Last the space between carriers and their customers (RFC 6598).
 */
const candidates: readonly Cidr[] = [
  ...blocks(10, 213, 254),
  ...blocks(10, 129, 212),
  ...blocks(172, 16, 31),
  ...blocks(10, 1, 128),
  ...blocks(100, 65, 127),
];

function blocks(first: number, from: number, to: number): Cidr[] {
  return Array.from({ length: to - from + 1 }, (_, index) => ({
    family: 4,
    address: `${first}.${from + index}.0.0`,
    prefix: 16,
  }));
}

/** The first that overlaps nothing of `used`. Throws E_NETWORK where none is free. */
export function choosePool4(used: readonly Cidr[]): Cidr {
  const free = candidates.find((one) => !used.some((other) => overlap(one, other)));
  if (free !== undefined) return free;
  throw new DockershError('E_NETWORK', {
    why: 'this host has routes to every block of private addresses that sandboxes could have',
    hint: 'Name one in the policy: network_pool = ADDRESS/PREFIX in [host].',
  });
}

/** A prefix of this host's own (RFC 4193), so that no two hosts have the same. */
export function choosePool6(used: readonly Cidr[]): Cidr {
  for (;;) {
    const random = BigInt(`0x${randomBytes(7).toString('hex')}`);
    const block = { ...addressFrom(6, (0xfdn << 120n) | (random << 64n)), prefix: 64 };
    if (!used.some((other) => overlap(block, other))) return block;
  }
}

/** The resolver's, and that which is no host's in front of it. */
const before = 2n;

const at = (pool: Cidr, index: bigint): string => addressFrom(pool.family, numberOf(pool) + index).address;

export function resolverOf(pool: Cidr): string {
  return at(pool, 1n);
}

/** Of the user with this index, from 0 on. Throws E_NETWORK where the pool has no more. */
export function addressOf(pool: Cidr, index: number): string {
  const size = 1n << BigInt(bitsOf(pool.family) - pool.prefix);
  // The last address of a block of IPv4 is left out: hosts on the way may take it for a broadcast.
  if (BigInt(index) + before >= size - 1n) {
    throw new DockershError('E_NETWORK', {
      why: `the pool ${formatCidr(pool)} has no address left`,
      hint: 'Give a larger one in [host]: network_pool, network_pool6.',
    });
  }
  return at(pool, before + BigInt(index));
}

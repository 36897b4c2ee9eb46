// Finds what rules of private networks depend on besides the policy: this host's addresses, and the pools.

import { networkInterfaces } from 'node:os';
import { type Cidr, parseAddress, parseCidr } from '../../lib/network/address.ts';
import { isInside, type Surroundings, whole } from '../../lib/network/closed.ts';
import type { AdminResult } from '../../protocol/admin.ts';

export function surroundingsOf({
  pools,
  bridged,
}: Pick<AdminResult<'network'>, 'pools' | 'bridged'>): Surroundings {
  return { pools: pools.flatMap(blocksOf), bridged: bridged.flatMap(blocksOf), host: hostAddresses() };
}

function blocksOf(text: string): Cidr[] {
  const parsed = parseCidr(text);
  return parsed.ok ? [parsed.value] : [];
}

/** Those that another host could have as well, the loopback's, are none. */
function hostAddresses(): Cidr[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .flatMap(({ address }) => {
      const parsed = parseAddress(address);
      return parsed === undefined || isInside(parsed) ? [] : [whole(parsed)];
    });
}

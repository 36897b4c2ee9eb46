// Holds entries such as "+3:80" to the ports that each user has of their own. Pure.

import type { PortPool } from '../../lib/network/network.ts';
import type { HostPolicy } from '../policy.ts';
import type { PolicySection } from '../schema.ts';

type Pools = Pick<HostPolicy, 'publishPool' | 'moshPool'>;

/** What is wrong with the ports of one's own that are asked for, as in "publish has +12, …". */
export function ownPortsFault(
  { publish = [], mosh_ports: mosh }: Pick<PolicySection, 'publish' | 'mosh_ports'>,
  { publishPool, moshPool }: Pools,
): string | undefined {
  const last = Math.max(-1, ...publish.filter(({ own }) => own).map(({ first, count }) => first + count - 1));
  if (last >= 0 && (publishPool === null || last >= publishPool.each))
    return `publish has +${last}, and publish_pool in [host] gives each user ${portsOf(publishPool)}`;
  if (mosh?.kind === 'own' && moshPool === null)
    return 'mosh_ports is pool, and mosh_pool in [host] gives each user no ports';
  return undefined;
}

function portsOf(pool: PortPool | null): string {
  if (pool === null) return 'no ports';
  return pool.each === 1 ? 'one port, +0' : `${pool.each} ports, +0 to +${pool.each - 1}`;
}

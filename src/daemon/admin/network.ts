// Answers the admin verb about private networks.

import type { Engine, NetworkInfo } from '../../isolation/engine.ts';
import type { Networks as IsolationNetworks } from '../../isolation/network/networks.ts';
import type { DefaultNetwork } from '../../isolation/network/state.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { AdminNetwork, AdminRefusal } from '../../protocol/admin-network.ts';
import type { Networks } from './parts.ts';

export function networksOf(
  engine: Pick<Engine, 'uids' | 'networkOf'>,
  networks: Pick<IsolationNetworks, 'status'>,
  defaultNetwork: DefaultNetwork,
): Networks {
  return async () => {
    const all = await Promise.all(
      engine.uids().map(async (uid) => ({ uid, info: await engine.networkOf(uid) })),
    );
    const known = all.flatMap(({ uid, info }) => (info === undefined ? [] : [{ uid, info }]));
    const { pools, bridged, withoutIpv6 } = networks.status();
    return {
      default: defaultNetwork,
      pools: [...pools],
      bridged: [...bridged],
      lacks: withoutIpv6 === undefined ? [] : [withoutIpv6],
      users: known.map(({ uid, info }) => userOf(uid, info)),
      refused: known
        .flatMap(({ uid, info }) => refusedOf(uid, info))
        .sort((one, other) => other.lastAt.localeCompare(one.lastAt)),
    };
  };
}

function userOf(uid: Uid, { user, link, networks, published, missing, traffic }: NetworkInfo): AdminNetwork {
  return {
    uid,
    user,
    link: link.name,
    address4: link.addresses.find((address) => !address.includes(':')) ?? null,
    address6: link.addresses.find((address) => address.includes(':')) ?? null,
    networks: [...networks],
    published: published.map(publishedOf),
    missing: missing.map(missingOf),
    bytesIn: traffic?.bytesIn ?? null,
    bytesOut: traffic?.bytesOut ?? null,
    packetsIn: traffic?.packetsIn ?? null,
    packetsOut: traffic?.packetsOut ?? null,
  };
}

function publishedOf(line: string): AdminNetwork['published'][number] {
  const [protocol, address = '', outside = '', inside = ''] = line.split(' ');
  const [first, last] = outside.split('-').map(Number);
  return {
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    address,
    first: first ?? 0,
    last: last ?? first ?? 0,
    inside: Number(inside.split('-')[0]),
  };
}

function missingOf(line: string): AdminNetwork['missing'][number] {
  const [protocol, address = '', number = '0', ...why] = line.split(' ');
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', address, port: Number(number), why: why.join(' ') };
}

function refusedOf(uid: Uid, { user, refused }: NetworkInfo): AdminRefusal[] {
  return refused.map(({ protocol, address, port, count, at }) => {
    return { uid, user, protocol, address, port, count, lastAt: at.toISOString() };
  });
}

// Puts the values of the keys about the network together: one network, with what belongs to its kind. Pure.

import type { Network, PublishedPorts } from '../../lib/network/network.ts';
import { type PolicySection, type PolicyValue, required } from '../schema.ts';

type NetworkKey =
  | 'allow_out'
  | 'deny_out'
  | 'open_out'
  | 'dns'
  | 'publish'
  | 'publish_address'
  | 'mosh_ports'
  | 'bandwidth_in'
  | 'bandwidth_out'
  | 'connections'
  | 'new_connections'
  | 'networks';

export function networkOf(values: PolicySection): Network {
  const kind = required(values.network, 'network');
  if (kind !== 'private') return { kind };
  const of = <K extends NetworkKey>(key: K): PolicyValue<K> => required(values[key], key) as PolicyValue<K>;
  return {
    kind,
    allow: of('allow_out'),
    deny: of('deny_out'),
    open: of('open_out'),
    dns: of('dns'),
    publish: publishedPorts(of('publish'), of('publish_address')),
    mosh: of('mosh_ports'),
    bytesIn: of('bandwidth_in'),
    bytesOut: of('bandwidth_out'),
    connections: of('connections'),
    newConnections: of('new_connections'),
    networks: of('networks'),
    strict: required(values.strict, 'strict') === 'yes',
  };
}

export const publishedPorts = (
  entries: PolicyValue<'publish'>,
  publishAddress: string,
): readonly PublishedPorts[] =>
  entries.map((entry) => ({ ...entry, address: entry.address ?? publishAddress }));

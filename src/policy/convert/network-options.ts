// Converts the options of "docker run" that are about the network. Pure.

import { parseAddress } from '../../lib/network/address.ts';
import { checkPolicyValue, type PolicyKey } from '../schema.ts';

interface Given {
  readonly value: string;
  readonly note: (message: string) => void;
}
type Lines = readonly (readonly [key: string, value: string])[];

const isAccepted = (key: PolicyKey, text: string): boolean => checkPolicyValue(key, text).ok;

/** Docker's own network and one that somebody has made there are the same here: a network of the sandbox's own. */
export function network({ value, note }: Given): Lines | undefined {
  if (value === 'none' || value === 'host') return [['network', value]];
  if (value === '') return undefined;
  if (value === 'bridge' || value === 'default') return [['network', 'private']];
  if (value.startsWith('container:')) {
    note('left out; sandboxes reach each other in networks that both are in ("networks")');
    return [['network', 'private']];
  }
  note('became network = private; sandboxes that are to reach each other need the same name in "networks"');
  return [['network', 'private']];
}

/** [ADDRESS:][PORT:]PORT[/PROTOCOL]; without an address, Docker takes all that the host has. */
export function publish({ value, note }: Given): Lines | undefined {
  const [, written = '', protocol = 'tcp'] = /^(.*?)(?:\/(\w+))?$/s.exec(value) ?? [];
  if (protocol !== 'tcp' && protocol !== 'udp') {
    note('left out; ports of TCP and UDP alone can be published');
    return [];
  }
  const suffix = protocol === 'udp' ? '/udp' : '';
  const [, bracketed, address = bracketed, ports = ''] =
    /^(?:\[([^\]]*)\]:|(\d+\.\d+\.\d+\.\d+):)?(.*)$/s.exec(written) ?? [];
  if (address !== undefined && parseAddress(address) === undefined) return undefined;
  const [outside = '', inside] = ports.split(':');
  if (inside === undefined || outside === '') {
    const port = inside ?? outside;
    if (!isAccepted('publish', `+0:${port}${suffix}`)) return undefined;
    note('Docker takes any port of the host; +0 is the first that is the user\'s own ("publish_pool")');
    return [['publish', `+0:${port}${suffix}`]];
  }
  const host = address === undefined ? '0.0.0.0' : address.includes(':') ? `[${address}]` : address;
  const entry = `${host}:${outside}:${inside}${suffix}`;
  if (!isAccepted('publish', entry)) return undefined;
  note("a port is one sandbox's: +0 and the like are ports of each user's own");
  return [['publish', entry]];
}

export function dns({ value, note }: Given): Lines | undefined {
  if (!isAccepted('dns', value) || value === 'host') return undefined;
  if (/^(127\.|::1$)/.test(value)) {
    note('left out; it is a loopback address, where the sandbox itself is');
    return [];
  }
  return [['dns', value]];
}

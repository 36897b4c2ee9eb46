// Says which line of the policy would let a private network reach what it was kept from. Pure.

import { type Address, parseAddress } from '../../lib/network/address.ts';
import type { Surroundings } from '../../lib/network/closed.ts';
import { formatRule, type NetworkRule, type PrivateNetwork } from '../../lib/network/network.ts';
import { type Answer, answersFor } from './answer.ts';

export interface Refused {
  /** "tcp", "udp", "icmp"; others have no rule of their own. */
  readonly protocol: string;
  readonly address: string;
  /** 0: there is none. */
  readonly port: number;
}

export type Advice =
  /** Add this entry to this list. */
  | { readonly kind: 'add'; readonly key: 'allow_out' | 'open_out'; readonly entry: string }
  /** Take this rule away from deny_out. */
  | { readonly kind: 'remove'; readonly rule: NetworkRule }
  /** The rules let it pass: it was too much at a time. */
  | { readonly kind: 'bounds' }
  | { readonly kind: 'unknown' };

function ruleFor({ protocol, port }: Refused, address: Address): NetworkRule {
  const known = protocol === 'tcp' || protocol === 'udp' || protocol === 'icmp' ? protocol : 'any';
  const portless = port === 0 || known === 'any' || known === 'icmp';
  const prefix = address.family === 4 ? 32 : 128;
  return {
    target: { kind: 'addresses', addresses: { ...address, prefix } },
    protocol: known,
    firstPort: portless ? 0 : port,
    lastPort: portless ? 65_535 : port,
  };
}

export function adviceFor(network: PrivateNetwork, refused: Refused, surroundings: Surroundings): Advice {
  const address = parseAddress(refused.address);
  if (address === undefined) return { kind: 'unknown' };
  const rule = ruleFor(refused, address);
  const answer: Answer | undefined = answersFor(
    network,
    { ...rule, name: undefined, address },
    surroundings,
  ).find(({ reached }) => !reached);
  if (answer === undefined) return { kind: 'bounds' };
  const { by } = answer;
  if (by.kind === 'rule') return { kind: 'remove', rule: by.rule };
  return { kind: 'add', key: by.kind === 'closed' ? 'open_out' : 'allow_out', entry: formatRule(rule) };
}

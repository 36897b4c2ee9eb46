// Describes what network a sandbox has: what the policy says, and what isolation makes of it. Pure.

import type { Cidr } from './address.ts';

export type NetworkProtocol = 'any' | 'tcp' | 'udp' | 'icmp';

/** What a rule is about. `host`: every address of this host, whatever they are. */
export type NetworkTarget =
  | { readonly kind: 'any' }
  | { readonly kind: 'host' }
  | { readonly kind: 'addresses'; readonly addresses: Cidr }
  | {
      readonly kind: 'name';
      /** In lower case, without a dot at the end. */
      readonly name: string;
      /** All that ends in ".NAME", and not NAME itself. */
      readonly below: boolean;
    };

/** One entry of allow_out, deny_out or open_out. */
export interface NetworkRule {
  readonly target: NetworkTarget;
  /** `any` with ports: TCP and UDP. */
  readonly protocol: NetworkProtocol;
  /** 0 to 65535 where no port was said. */
  readonly firstPort: number;
  readonly lastPort: number;
}

/** Ports of the host that lead into the sandbox. */
export interface PublishedPorts {
  readonly protocol: 'tcp' | 'udp';
  /** Of the host. */
  readonly address: string;
  /** The first port on the host; with `own` counted from the first of the user's own ports, from 0 on. */
  readonly first: number;
  readonly own: boolean;
  readonly count: number;
  /** The first port inside; null: the same as on the host. */
  readonly inside: number | null;
}

/** UDP ports of the host for mosh. `own`: the user's share of the pool. */
export type MoshPorts =
  | { readonly kind: 'own' }
  | { readonly kind: 'range'; readonly first: number; readonly last: number };

export interface PrivateNetwork {
  readonly kind: 'private';
  /** Anything in it closes the rest. */
  readonly allow: readonly NetworkRule[];
  /** Beats `allow`. */
  readonly deny: readonly NetworkRule[];
  /** Of what is closed otherwise; never a name or `any`. `deny` beats it. */
  readonly open: readonly NetworkRule[];
  /** Addresses of name servers; "host": those that the host asks. */
  readonly dns: 'host' | readonly string[];
  readonly publish: readonly PublishedPorts[];
  readonly mosh: MoshPorts | null;
  /** Bytes a second into the sandbox, and out of it; null: no limit. */
  readonly bytesIn: number | null;
  readonly bytesOut: number | null;
  /** Open at a time; null: no limit. */
  readonly connections: number | null;
  /** A second; null: no limit. */
  readonly newConnections: number | null;
  /** Shared networks that the sandbox is in. */
  readonly networks: readonly string[];
  /** Whether a published port that somebody else has is a failure. */
  readonly strict: boolean;
}

export type Network = { readonly kind: 'none' } | { readonly kind: 'host' } | PrivateNetwork;

/** A pool of ports of the host, in equal shares: that of a user is found by the user's index. */
export interface PortPool {
  readonly first: number;
  readonly last: number;
  readonly each: number;
}

/** The ports of the user with this index, counted from 0; undefined: the pool has no more. */
export function shareOf(
  { first, last, each }: PortPool,
  index: number,
): { readonly first: number; readonly last: number } | undefined {
  const start = first + index * each;
  return start + each - 1 <= last ? { first: start, last: start + each - 1 } : undefined;
}

const portsOf = ({ firstPort, lastPort }: NetworkRule): string => {
  if (firstPort === 0 && lastPort === 65_535) return '';
  return firstPort === lastPort ? `:${firstPort}` : `:${firstPort}-${lastPort}`;
};

export function formatTarget(target: NetworkTarget, withPorts = false): string {
  switch (target.kind) {
    case 'any':
    case 'host':
      return target.kind;
    case 'name':
      return `${target.below ? '*.' : ''}${target.name}`;
    case 'addresses': {
      const { family, address, prefix } = target.addresses;
      const text = prefix === (family === 4 ? 32 : 128) ? address : `${address}/${prefix}`;
      return family === 6 && withPorts ? `[${text}]` : text;
    }
  }
}

/** As it would be written in the policy. */
export function formatRule(rule: NetworkRule): string {
  const ports = portsOf(rule);
  const protocol = rule.protocol === 'any' ? '' : `/${rule.protocol}`;
  return `${formatTarget(rule.target, ports !== '')}${ports}${protocol}`;
}

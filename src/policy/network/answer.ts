// Says what a private network answers to somebody who wants to reach a destination, and by what. It goes through the
// rules in the order in which the kernel does: deny, open, what is closed by itself, allow. Pure.

import { type Address, type Cidr, holds } from '../../lib/network/address.ts';
import { isInside, type Surroundings, whole, whyClosed } from '../../lib/network/closed.ts';
import type {
  NetworkProtocol,
  NetworkRule,
  NetworkTarget,
  PrivateNetwork,
} from '../../lib/network/network.ts';

/** Protocol and ports: of all that is asked for, or of a part. */
export interface Traffic {
  readonly protocol: NetworkProtocol;
  readonly firstPort: number;
  readonly lastPort: number;
}

export interface Destination extends Traffic {
  readonly name: string | undefined;
  /** Undefined: the name leads nowhere. */
  readonly address: Address | undefined;
}

export type RuleKey = 'deny_out' | 'open_out' | 'allow_out';

export type Reason =
  | { readonly kind: 'rule'; readonly key: RuleKey; readonly rule: NetworkRule }
  | { readonly kind: 'closed'; readonly what: string }
  /** There are entries in allow_out, and none fits. */
  | { readonly kind: 'notAllowed' }
  | { readonly kind: 'notClosed' }
  | { readonly kind: 'inside' };

export interface Answer {
  readonly about: Traffic;
  readonly reached: boolean;
  readonly by: Reason;
}

const hasPorts = ({ firstPort, lastPort }: Traffic): boolean => firstPort > 0 || lastPort < 65_535;

/** What of `wanted` a rule is about; undefined: nothing. */
function partOf(rule: Traffic, wanted: Traffic): Traffic | undefined {
  const firstPort = Math.max(rule.firstPort, wanted.firstPort);
  const lastPort = Math.min(rule.lastPort, wanted.lastPort);
  if (firstPort > lastPort) return undefined;
  if (rule.protocol === wanted.protocol || rule.protocol === 'any') {
    // Ports are those of TCP and UDP alone.
    return wanted.protocol === 'icmp' && hasPorts(rule)
      ? undefined
      : { protocol: wanted.protocol, firstPort, lastPort };
  }
  if (wanted.protocol !== 'any' || (rule.protocol === 'icmp' && hasPorts(wanted))) return undefined;
  return { protocol: rule.protocol, firstPort, lastPort };
}

/** Whether a rule says something about all of `wanted`. */
export function coversTraffic(rule: Traffic, wanted: Traffic): boolean {
  const ports = rule.firstPort <= wanted.firstPort && rule.lastPort >= wanted.lastPort;
  return ports && (rule.protocol === 'any' || rule.protocol === wanted.protocol);
}

/** Whether the first name's meaning includes all of the second's. */
function coversName(
  one: Extract<NetworkTarget, { kind: 'name' }>,
  other: { readonly name: string; readonly below: boolean },
): boolean {
  if (one.below) return other.name.endsWith(`.${one.name}`) || (other.below && other.name === one.name);
  return !other.below && other.name === one.name;
}

/** Whether a target includes all of another, as far as that is known without asking a name server. */
export function coversTarget(one: NetworkTarget, other: NetworkTarget, host: readonly Cidr[]): boolean {
  if (one.kind === 'any') return true;
  if (one.kind === 'host')
    return (
      other.kind === 'host' ||
      (other.kind === 'addresses' && host.some((block) => holds(block, other.addresses)))
    );
  if (one.kind === 'name') return other.kind === 'name' && coversName(one, other);
  if (other.kind === 'host') return host.length > 0 && host.every((block) => holds(one.addresses, block));
  return other.kind === 'addresses' && holds(one.addresses, other.addresses);
}

export const coversRule = (one: NetworkRule, other: NetworkRule, host: readonly Cidr[]): boolean =>
  coversTraffic(one, other) && coversTarget(one.target, other.target, host);

function isFor({ target }: NetworkRule, { name, address }: Destination, host: readonly Cidr[]): boolean {
  if (name !== undefined && coversTarget(target, { kind: 'name', name, below: false }, host)) return true;
  return (
    address !== undefined && coversTarget(target, { kind: 'addresses', addresses: whole(address) }, host)
  );
}

/** One for each part of what is wanted that is answered in another way, the last one for all the rest of it. */
export function answersFor(
  network: PrivateNetwork,
  wanted: Destination,
  surroundings: Surroundings,
): Answer[] {
  const { address } = wanted;
  const about: Traffic = {
    protocol: wanted.protocol,
    firstPort: wanted.firstPort,
    lastPort: wanted.lastPort,
  };
  if (address !== undefined && isInside(address)) return [{ about, reached: true, by: { kind: 'inside' } }];
  const answers: Answer[] = [];
  /** Whether nothing is left to be answered. */
  const go = (key: RuleKey, rules: readonly NetworkRule[]): boolean => {
    for (const rule of rules) {
      const part = isFor(rule, wanted, surroundings.host) ? partOf(rule, about) : undefined;
      if (part === undefined || answers.some((one) => coversTraffic(one.about, part))) continue;
      answers.push({ about: part, reached: key !== 'deny_out', by: { kind: 'rule', key, rule } });
      if (coversTraffic(part, about)) return true;
    }
    return false;
  };
  if (go('deny_out', network.deny) || go('open_out', network.open)) return answers;
  const what = address === undefined ? undefined : whyClosed(whole(address), surroundings);
  if (what !== undefined) return [...answers, { about, reached: false, by: { kind: 'closed', what } }];
  if (go('allow_out', network.allow)) return answers;
  return network.allow.length === 0
    ? [...answers, { about, reached: true, by: { kind: 'notClosed' } }]
    : [...answers, { about, reached: false, by: { kind: 'notAllowed' } }];
}

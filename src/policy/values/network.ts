// Parses the values of the keys about the network: rules of what is reached, name servers, pools of addresses. Pure.

import { domainToASCII } from 'node:url';
import {
  bitsOf,
  type Cidr,
  formatCidr,
  mappedIpv4,
  overlap,
  parseAddress,
  parseCidr,
} from '../../lib/network/address.ts';
import type { NetworkProtocol, NetworkRule, NetworkTarget } from '../../lib/network/network.ts';
import { type Check, text } from './basic.ts';

/** A sandbox's rules are sent to its supervisor in one message, and go into its kernel in one batch. */
const mostRules = 200;
const protocols: readonly NetworkProtocol[] = ['tcp', 'udp', 'icmp', 'any'];

export const wordsOf = (input: string): string[] => input.split(/[\s,]+/).filter((word) => word !== '');

const problem = (item: string, what: string) =>
  ({ ok: false, problem: `has "${item}", which ${what}` }) as const;

/** "443", "8000-8080"; of 1 to 65535. */
export function portRange(written: string): { readonly first: number; readonly last: number } | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(written);
  const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  return match !== null && first >= 1 && first <= last && last <= 65_535 ? { first, last } : undefined;
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

function nameTarget(item: string, written: string): Check<NetworkTarget> {
  const below = written.startsWith('*.');
  const name = (below ? written.slice(2) : written).toLowerCase().replace(/\.$/, '');
  if (name.includes('*'))
    return problem(
      item,
      'has a * that is not the whole first part: write *.example.org for all names below example.org',
    );
  const labels = name.split('.');
  if (name.length <= 253 && labels.every((part) => label.test(part)) && !/^[\d.]+$/.test(name))
    return { ok: true, value: { kind: 'name', name, below } };
  const ascii = /[^\0-\x7f]/.test(name) ? domainToASCII(name) : '';
  if (ascii !== '') return problem(item, `is not in ASCII: write ${below ? '*.' : ''}${ascii}`);
  return problem(item, 'is no address, no block such as 10.0.0.0/8, no host name, and not any');
}

function blockTarget(item: string, written: string): Check<NetworkTarget> {
  const block = parseCidr(written);
  if (!block.ok) return problem(item, block.problem);
  const ipv4 = block.value.prefix === 128 ? mappedIpv4(block.value) : undefined;
  if (ipv4 !== undefined) return problem(item, `is an address of IPv4: write ${ipv4}`);
  return { ok: true, value: { kind: 'addresses', addresses: block.value } };
}

function targetOf(item: string, written: string): Check<NetworkTarget> {
  if (written === 'any' || written === 'host') return { ok: true, value: { kind: written } };
  if (written === '*') return problem(item, 'is a * alone: write any');
  const isAddress = written.includes(':') || written.includes('/') || /^[\d.]+$/.test(written);
  return isAddress ? blockTarget(item, written) : nameTarget(item, written);
}

/** What is before the port, and the port as written; undefined: none. */
function partsOf(written: string): { target: string; port: string | undefined } | undefined {
  if (written.startsWith('[')) {
    const match = /^\[([^\]]*)\](?::(.*))?$/s.exec(written);
    // Brackets are for IPv6 alone: [192.0.2.1]:80 and [name]:80 would be a second spelling.
    return match?.[1]?.includes(':') === true ? { target: match[1], port: match[2] } : undefined;
  }
  const colons = written.split(':').length - 1;
  if (colons !== 1) return { target: written, port: undefined };
  const [target = '', port] = written.split(':');
  return { target, port };
}

/** One entry of a list of rules. */
export function ruleOf(item: string): Check<NetworkRule> {
  const [, written = '', , named] = /^(.*?)(\/([a-z]+))?$/s.exec(item) ?? [];
  const protocol = named === undefined ? 'any' : protocols.find((one) => one === named);
  if (protocol === undefined) return problem(item, `ends in "/${named}", which is none of /tcp, /udp, /icmp`);
  const parts = partsOf(written);
  if (parts === undefined)
    return problem(item, 'has brackets that are not around an address of IPv6: write [2001:db8::1]:443');
  const target = targetOf(item, parts.target);
  if (!target.ok) return target;
  if (parts.port === undefined)
    return { ok: true, value: { target: target.value, protocol, firstPort: 0, lastPort: 65_535 } };
  const range = portRange(parts.port);
  if (range === undefined)
    return problem(
      item,
      `has the port "${parts.port}", which is no number from 1 to 65535 and no range such as 8000-8080`,
    );
  if (protocol === 'icmp') return problem(item, 'has a port, and ICMP has none');
  return {
    ok: true,
    value: { target: target.value, protocol, firstPort: range.first, lastPort: range.last },
  };
}

type Accept = (rule: NetworkRule) => string | undefined;

const rules = (accept: Accept) =>
  text<readonly NetworkRule[]>((input) => {
    if (input === 'none') return { ok: true, value: [] };
    const found: NetworkRule[] = [];
    for (const item of wordsOf(input)) {
      const rule = ruleOf(item);
      if (!rule.ok) return rule;
      const fault = accept(rule.value);
      if (fault !== undefined) return problem(item, fault);
      found.push(rule.value);
    }
    if (found.length === 0) return { ok: false, problem: 'is not a list of targets, or none' };
    if (found.length > mostRules) return { ok: false, problem: `has more than ${mostRules} entries` };
    return { ok: true, value: found };
  });

/** Of "allow_out" and "deny_out". */
export const ruleList = rules(() => undefined);

/** Of "open_out": what a name comes to is for its owner to say, and what is closed is closed to keep that from deciding. */
export const openRuleList = rules(({ target }) => {
  if (target.kind === 'name')
    return 'is a name: write the addresses, or its owner could open any of what is closed';
  const all = target.kind === 'any' || (target.kind === 'addresses' && target.addresses.prefix === 0);
  return all ? 'would open all that is closed at once: name the addresses' : undefined;
});

const mostServers = 4;

/** "host", or the addresses of name servers. */
export const nameServers = text<'host' | readonly string[]>((input) => {
  if (input === 'host') return { ok: true, value: input };
  const servers: string[] = [];
  for (const item of wordsOf(input)) {
    const address = parseAddress(item);
    if (address === undefined) return problem(item, 'is no address of a name server, and not host');
    if (mappedIpv4(address) !== undefined)
      return problem(item, `is an address of IPv4: write ${mappedIpv4(address)}`);
    servers.push(address.address);
  }
  if (servers.length === 0) return { ok: false, problem: 'is not a list of addresses, or host' };
  if (servers.length > mostServers) return { ok: false, problem: `has more than ${mostServers} addresses` };
  return { ok: true, value: [...new Set(servers)] };
});

const networkName = /^[a-z](?:[a-z0-9-]{0,29}[a-z0-9])?$/;
const mostNetworks = 8;

/** Names of shared networks; "none" for none of them. */
export const networkNames = text<readonly string[]>((input) => {
  if (input === 'none') return { ok: true, value: [] };
  const names = [...new Set(wordsOf(input))];
  const wrong = names.find((name) => !networkName.test(name) || name === 'none');
  if (wrong !== undefined)
    return problem(
      wrong,
      'cannot be the name of a network: small letters, digits and dashes, a letter first, at most 31',
    );
  if (names.length === 0) return { ok: false, problem: 'is no list of names, or none' };
  if (names.length > mostNetworks) return { ok: false, problem: `has more than ${mostNetworks} networks` };
  return { ok: true, value: names };
});

interface PoolBounds {
  readonly family: 4 | 6;
  readonly shortest: number;
  readonly longest: number;
  readonly example: string;
}

/** Never an address that can be routed. */
const notForPools: readonly Cidr[] = [
  { family: 4, address: '0.0.0.0', prefix: 8 },
  { family: 4, address: '127.0.0.0', prefix: 8 },
  { family: 4, address: '169.254.0.0', prefix: 16 },
  { family: 4, address: '224.0.0.0', prefix: 3 },
  { family: 6, address: '::', prefix: 8 },
  { family: 6, address: 'fe80::', prefix: 10 },
  { family: 6, address: 'ff00::', prefix: 8 },
];

function poolOf(input: string, { family, shortest, longest, example }: PoolBounds): Check<Cidr> {
  const block = parseCidr(input);
  if (!block.ok) return block;
  const { value } = block;
  if (value.family !== family || value.prefix === bitsOf(family))
    return { ok: false, problem: `is no block of addresses of IPv${family} such as ${example}` };
  const wrong = notForPools.find((one) => overlap(one, value));
  if (wrong !== undefined)
    return { ok: false, problem: `overlaps ${formatCidr(wrong)}, which cannot be routed` };
  if (value.prefix < shortest || value.prefix > longest)
    return {
      ok: false,
      problem: `has a prefix of ${value.prefix}: one from ${shortest} to ${longest} is needed`,
    };
  return block;
}

/** The addresses of sandboxes; "auto" is null. */
export const addressPool = text<Cidr | null>((input) =>
  input === 'auto'
    ? { ok: true, value: null }
    : poolOf(input, { family: 4, shortest: 8, longest: 28, example: '10.88.0.0/16' }),
);

/** The same of IPv6; "none": no IPv6. */
export const addressPool6 = text<Cidr | null | 'none'>((input) => {
  if (input === 'auto') return { ok: true, value: null };
  if (input === 'none') return { ok: true, value: 'none' };
  return poolOf(input, { family: 6, shortest: 32, longest: 112, example: 'fd00:1234::/64' });
});

// Reads, writes and compares IPv4 and IPv6 addresses and blocks of them. Pure.

import { isIP } from 'node:net';

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  /** In its shortest form (RFC 5952). */
  readonly address: string;
}

/** A block of addresses: "10.0.0.0/8". Of a single address the prefix is as long as the address. */
export interface Cidr extends Address {
  readonly prefix: number;
}

export type CidrCheck =
  | { readonly ok: true; readonly value: Cidr }
  | { readonly ok: false; readonly problem: string };

export const bitsOf = (family: Family): 32 | 128 => (family === 4 ? 32 : 128);

/** The number that an address is. */
export function numberOf({ family, address }: Address): bigint {
  if (family === 4) return address.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
  return groupsOf(address).reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

/** The eight groups of an IPv6 address that is known to be one. */
function groupsOf(address: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const pair = (high = '0', low = '0'): string => (Number(high) * 256 + Number(low)).toString(16);
  const plain =
    dotted === null ? address : `${dotted[1]}${pair(dotted[2], dotted[3])}:${pair(dotted[4], dotted[5])}`;
  const [head = '', tail] = plain.split('::');
  const numbers = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  if (tail === undefined) return numbers(head);
  const [front, back] = [numbers(head), numbers(tail)];
  return [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
}

export function addressFrom(family: Family, value: bigint): Address {
  if (family === 4) {
    const parts = [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 255n).toString());
    return { family, address: parts.join('.') };
  }
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
  return { family, address: shortened(groups) };
}

/** The first of the longest runs of zeros becomes "::", where it is longer than one group. */
function shortened(groups: readonly string[]): string {
  let [from, length] = [0, 1];
  for (let at = 0; at < groups.length; at += 1) {
    let end = at;
    while (groups[end] === '0') end += 1;
    if (end - at > length) [from, length] = [at, end - at];
    at = Math.max(at, end);
  }
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, from).join(':')}::${groups.slice(from + length).join(':')}`;
}

/** Undefined: it is no address, or one with a zone ("fe80::1%eth0"). */
export function parseAddress(text: string): Address | undefined {
  const family = isIP(text);
  if ((family !== 4 && family !== 6) || text.includes('%')) return undefined;
  return addressFrom(family, numberOf({ family, address: text }));
}

/** Takes "10.0.0.0/8" and single addresses. A problem says what to write instead, where that is clear. */
export function parseCidr(text: string): CidrCheck {
  const [, written = '', , length] = /^([^/]*)(\/(.*))?$/s.exec(text) ?? [];
  const address = parseAddress(written);
  if (address === undefined) return { ok: false, problem: 'is no address and no block such as 10.0.0.0/8' };
  const { family } = address;
  const bits = bitsOf(family);
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (prefix < 0 || prefix > bits)
    return { ok: false, problem: `ends in "/${length}", where a number from 0 to ${bits} belongs` };
  const first = firstOf({ ...address, prefix });
  if (first.address !== address.address)
    return {
      ok: false,
      problem: `has bits behind its prefix: write ${first.address}/${prefix}, or ${address.address} for the one address`,
    };
  return { ok: true, value: { ...address, prefix } };
}

/** A single address without its prefix. */
export function formatCidr({ family, address, prefix }: Cidr): string {
  return prefix === bitsOf(family) ? address : `${address}/${prefix}`;
}

function firstOf({ family, address, prefix }: Cidr): Address {
  const free = BigInt(bitsOf(family) - prefix);
  return addressFrom(family, (numberOf({ family, address }) >> free) << free);
}

/** Whether all of `inner` is in `outer`. */
export function holds(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.prefix > inner.prefix) return false;
  const free = BigInt(bitsOf(outer.family) - outer.prefix);
  return numberOf(outer) >> free === numberOf(inner) >> free;
}

/** Of two blocks that overlap one holds the other. */
export const overlap = (one: Cidr, other: Cidr): boolean => holds(one, other) || holds(other, one);

/** ::ffff:192.0.2.1 and the like: packets to them are of IPv4, or are none. */
export function mappedIpv4({ family, address }: Address): string | undefined {
  if (family !== 6) return undefined;
  const value = numberOf({ family, address });
  return value >> 32n === 0xffffn ? addressFrom(4, value & 0xffff_ffffn).address : undefined;
}

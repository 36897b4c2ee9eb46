// Tests addresses and blocks of them against node:net and URL, which have parsers of their own.

import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressFrom,
  type Cidr,
  type Family,
  formatCidr,
  holds as isHeldBy,
  mappedIpv4,
  numberOf,
  overlap,
  parseAddress,
  parseCidr,
} from '../../../src/lib/network/address.ts';
import { holds, textOf } from './holds.ts';

const address4 = fc.ipV4();
const address6 = fc.oneof(
  fc.ipV6(),
  fc
    .array(fc.constantFrom('0', '1', 'ffff', '0db8'), { minLength: 8, maxLength: 8 })
    .map((all) => all.join(':')),
);

holds(
  'an address comes out in the shortest form, which is the one of URL',
  fc.property(address6, (text) => {
    expect(`[${parseAddress(text)?.address}]`).toBe(new URL(`http://[${text}]/`).hostname);
  }),
  1000,
);

holds(
  'an address is the number that it stands for',
  fc.property(fc.oneof(address4, address6), (text) => {
    const parsed = parseAddress(text);
    if (parsed === undefined) throw new Error(text);
    expect(addressFrom(parsed.family, numberOf(parsed))).toEqual(parsed);
  }),
);

const block = fc.tuple(fc.oneof(address4, address6), fc.nat(128)).map(([text, length]): Cidr => {
  const parsed = parseAddress(text);
  const family: Family = parsed?.family ?? 4;
  const bits = family === 4 ? 32 : 128;
  const prefix = length % (bits + 1);
  const free = BigInt(bits - prefix);
  const value = parsed === undefined ? 0n : numberOf(parsed);
  return { ...addressFrom(family, (value >> free) << free), prefix };
});

holds(
  'a block comes back from its text',
  fc.property(block, (cidr) => {
    expect(parseCidr(formatCidr(cidr))).toEqual({ ok: true, value: cidr });
  }),
);

holds(
  'a block holds what a BlockList holds',
  fc.property(block, fc.oneof(address4, address6), (cidr, text) => {
    const list = new BlockList();
    const [family, parsed] = [cidr.family === 4 ? 'ipv4' : 'ipv6', parseAddress(text)] as const;
    // A BlockList wants at least one bit, and takes ::ffff:192.0.2.1 for the address of IPv4.
    if (parsed === undefined || cidr.prefix === 0 || parsed.family !== cidr.family) return;
    if (mappedIpv4(parsed) !== undefined) return;
    list.addSubnet(cidr.address, cidr.prefix, family);
    const one = { ...parsed, prefix: parsed.family === 4 ? 32 : 128 };
    expect(isHeldBy(cidr, one)).toBe(list.check(parsed.address, parsed.family === 4 ? 'ipv4' : 'ipv6'));
  }),
  1000,
);

holds(
  'any text is an address where node:net says so, and a block or a problem',
  fc.property(
    textOf('1', '255', '.', ':', '::', '/', '8', '128', '10.0.0.0', 'fe80', '%eth0', '-1'),
    (text) => {
      expect(parseAddress(text) !== undefined).toBe(isIP(text) !== 0 && !text.includes('%'));
      const parsed = parseCidr(text);
      if (!parsed.ok) expect(parsed.problem).not.toBe('');
    },
  ),
  2000,
);

describe('blocks', () => {
  test.each([
    ['10.1.2.3/8', 'has bits behind its prefix: write 10.0.0.0/8, or 10.1.2.3 for the one address'],
    ['10.0.0.0/33', 'ends in "/33", where a number from 0 to 32 belongs'],
    ['::/129', 'ends in "/129", where a number from 0 to 128 belongs'],
    ['10.0.0.0/', 'ends in "/", where a number from 0 to 32 belongs'],
    ['10.0.0/8', 'is no address and no block such as 10.0.0.0/8'],
    ['010.0.0.1', 'is no address and no block such as 10.0.0.0/8'],
    ['fe80::1%eth0', 'is no address and no block such as 10.0.0.0/8'],
  ])('%s: %s', (text, problem) => {
    expect(parseCidr(text)).toEqual({ ok: false, problem });
  });

  test('overlap where one holds the other', () => {
    const cidr = (text: string): Cidr => {
      const parsed = parseCidr(text);
      if (!parsed.ok) throw new Error(parsed.problem);
      return parsed.value;
    };
    expect(overlap(cidr('10.0.0.0/8'), cidr('10.88.0.0/16'))).toBe(true);
    expect(overlap(cidr('10.88.0.0/16'), cidr('0.0.0.0/0'))).toBe(true);
    expect(overlap(cidr('10.88.0.0/16'), cidr('10.89.0.0/16'))).toBe(false);
    expect(overlap(cidr('::/0'), cidr('10.89.0.0/16'))).toBe(false);
  });
});

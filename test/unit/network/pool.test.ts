// Tests the choice of pools, and of addresses from them.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkName } from '../../../src/isolation/network/links.ts';
import { addressOf, choosePool4, choosePool6, resolverOf } from '../../../src/isolation/network/pool.ts';
import { type Cidr, formatCidr, holds, parseCidr } from '../../../src/lib/network/address.ts';
import { Uid } from '../../../src/lib/values/uid.ts';

function block(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

describe('the pool', () => {
  it('is the first block that the host has no route into', () => {
    expect(formatCidr(choosePool4([]))).toBe('10.213.0.0/16');
    expect(formatCidr(choosePool4(['10.213.4.0/24', '10.214.0.0/15'].map(block)))).toBe('10.216.0.0/16');
    expect(formatCidr(choosePool4(['10.0.0.0/8', '172.16.0.0/16'].map(block)))).toBe('172.17.0.0/16');
    expect(formatCidr(choosePool4(['10.0.0.0/8', '172.16.0.0/12'].map(block)))).toBe('100.65.0.0/16');
  });

  it('is refused where there is none', () => {
    const all = ['10.0.0.0/8', '172.16.0.0/12', '100.64.0.0/10'].map(block);
    expect(() => choosePool4(all)).toThrow(expect.objectContaining({ code: 'E_NETWORK' }));
  });

  it("is a random prefix of the host's own of IPv6", () => {
    const [one, other] = [choosePool6([]), choosePool6([])];
    expect(formatCidr(one)).not.toBe(formatCidr(other));
    expect(one.prefix).toBe(64);
    expect(holds(block('fd00::/8'), one)).toBe(true);
  });
});

describe('addresses', () => {
  it('are counted from the resolver on', () => {
    const pool = block('10.213.0.0/16');
    expect(resolverOf(pool)).toBe('10.213.0.1');
    expect([0, 1, 254].map((index) => addressOf(pool, index))).toEqual([
      '10.213.0.2',
      '10.213.0.3',
      '10.213.1.0',
    ]);
    expect(addressOf(block('fd12::/64'), 0)).toBe('fd12::2');
  });

  it('end where the pool does', () => {
    const pool = block('10.9.9.0/29');
    expect(addressOf(pool, 4)).toBe('10.9.9.6');
    expect(() => addressOf(pool, 5)).toThrow(expect.objectContaining({ code: 'E_NETWORK' }));
  });

  it('lie in the pool, and no two users have the same', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60_000), { minLength: 2 }), (indexes) => {
        const pool = choosePool4([]);
        const found = indexes.map((index) => addressOf(pool, index));
        expect(new Set(found).size).toBe(indexes.length);
        for (const address of found) expect(holds(pool, { family: 4, address, prefix: 32 })).toBe(true);
      }),
      { numRuns: 20 },
    );
  });
});

describe('names of links', () => {
  it('fit into what the kernel takes, for every uid', () => {
    for (const uid of [1, 1000, 2 ** 32 - 2])
      expect(linkName(Uid.parse(uid))).toMatch(/^dsh[0-9a-z]{1,7}-[0-9a-z]{4}$/);
  });
});

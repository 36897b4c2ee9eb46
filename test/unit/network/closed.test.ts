// Compares what `dockershctl policy explain` calls closed with what the kernel is told (native/network).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addressFrom, type Cidr, parseCidr } from '../../../src/lib/network/address.ts';
import { whyClosed } from '../../../src/lib/network/closed.ts';
import { nativeFolder } from '../../fixtures/paths.ts';

const nothing = { pools: [], host: [], bridged: [] };

/** The bytes of a C initialiser: "169, 254" or "[10] = 0xff, [11] = 0xff". */
function bytesOf(text: string, length: number): number[] {
  const bytes = new Array<number>(length).fill(0);
  let at = 0;
  for (const part of text.split(',').map((one) => one.trim())) {
    const [, place, value = part] = /^\[(\d+)\] = (.*)$/.exec(part) ?? [];
    if (place !== undefined) at = Number(place);
    bytes[at] = Number(value);
    at += 1;
  }
  return bytes;
}

const blocks = (): Cidr[] => {
  const source = readFileSync(join(nativeFolder, 'network/rules/closed.c'), 'utf8');
  return [...source.matchAll(/\{AF_INET(6?), \{([^}]*)\}, (\d+)\}/g)].map(([, six, bytes = '', prefix]) => {
    const family = six === '6' ? 6 : 4;
    const value = bytesOf(bytes, family === 6 ? 16 : 4).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    return { ...addressFrom(family, value), prefix: Number(prefix) };
  });
};

describe('what is closed by itself', () => {
  it('is for the explanation what it is for the kernel', () => {
    expect(blocks().length).toBeGreaterThan(15);
    expect(blocks().filter((block) => whyClosed(block, nothing) === undefined)).toEqual([]);
  });

  it('is closed behind a translator as well', () => {
    const closed = [
      ...['64:ff9b::169.254.169.254/128', '64:ff9b::10.9.0.3/128', '64:ff9b::192.0.2.1/128'],
      '64:ff9b::172.17.0.2/128',
    ];
    const open = ['64:ff9b::198.51.100.7/128', '64:ff9b::/96'];
    const surroundings = {
      pools: [cidr('10.9.0.0/16')],
      host: [cidr('192.0.2.1/32')],
      bridged: [cidr('172.17.0.0/16')],
    };
    for (const text of closed) expect(whyClosed(cidr(text), surroundings), text).toBeDefined();
    for (const text of open) expect(whyClosed(cidr(text), surroundings), text).toBeUndefined();
  });
});

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

// Reads the kernel's lists of addresses and routes.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type HostRoutes, readRoutes } from '../../../src/isolation/network/routes.ts';
import { formatCidr } from '../../../src/lib/network/address.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function routesOf(files: Record<string, string>): HostRoutes {
  const folder = mkdtempSync(path.join(tmpdir(), 'dockersh-unit-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return readRoutes(folder);
}

const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.213.0.0/16 2 0 2
        |-- 10.213.4.0
           /24 link UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 203.0.113.0/24 2 0 2
        +-- 203.0.113.0/30 2 0 2
           |-- 203.0.113.0
              /24 link UNICAST
           |-- 203.0.113.2
              /32 host LOCAL
        |-- 203.0.113.255
           /32 link BROADCAST
        |-- 198.18.0.0
           /15 host LOCAL
Id 100:
  +-- 0.0.0.0/0 3 0 5
     |-- 172.16.0.0
        /12 universe BLACKHOLE
`;
const route = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wg0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0
eth0\t00000000\t017100CB\t0003\t0\t0\t100\t00000000\t0\t0\t0
*\t00000000\t00000000\t0201\t0\t0\t4294967295\t00000000\t0\t0\t0
eth0\t007100CB\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
`;
const ifInet6 = `00000000000000000000000000000001 01 80 10 80       lo
20010db8000100000000000000000002 02 40 00 80     eth0
fe8000000000000000fc00fffe000001 02 40 20 80     eth0
`;
const line = (target: string, prefix: string, flags: string, device: string): string =>
  `${target} ${prefix} ${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00000400 00000002 00000000 ${flags} ${device.padStart(8)}\n`;
const zero = '0'.repeat(32);
const ipv6Route =
  line('20010db8000100000000000000000000', '40', '00000001', 'eth0') +
  line('fdaa0000000000000000000000000000', '30', '00000003', 'wg0') +
  line(zero, '00', '00450003', 'eth0') +
  line(zero, '00', '00200200', 'lo') +
  line('20010db8000100000000000000000000', '80', '80300001', 'eth0') +
  line('20010db8000100000000000000000002', '80', '80200001', 'eth0') +
  line('ff000000000000000000000000000000', '08', '00000001', 'eth0');

describe('what a host has', () => {
  const found = routesOf({ fib_trie: trie, route, if_inet6: ifInet6, ipv6_route: ipv6Route });

  it('is delivered to at its addresses, broadcast and anycast ones included, whatever the interface', () => {
    expect(found.own.map(formatCidr).sort()).toEqual(
      ['198.18.0.0/15', '2001:db8:1::', '2001:db8:1::2', '203.0.113.2', '203.0.113.255'].sort(),
    );
  });

  it('has routes to blocks, in every table', () => {
    const used = found.used.map(formatCidr);
    for (const block of ['10.213.4.0/24', '172.16.0.0/12', '203.0.113.0/24', 'fdaa::/48'])
      expect(used).toContain(block);
    expect(used).not.toContain('0.0.0.0/0');
    expect(used).not.toContain('::/0');
    expect(used.filter((block) => block.startsWith('127.'))).toEqual([]);
  });

  it('has default routes, those that refuse left out', () => {
    expect(found.defaults).toEqual([
      { family: 4, device: 'wg0', metric: 50, advertised: false },
      { family: 4, device: 'eth0', metric: 100, advertised: false },
      { family: 6, device: 'eth0', metric: 0x400, advertised: true },
    ]);
  });

  it('is in networks by its interfaces, but not in those behind a router', () => {
    const networks = found.attached.map(({ network, device }) => `${formatCidr(network)} ${device}`);
    expect(networks).toEqual(['203.0.113.0/24 eth0', '2001:db8:1::/64 eth0']);
  });

  it('takes no link of a sandbox for a way out', () => {
    const own = routesOf({ route: route.replaceAll('wg0', 'dshabc-0000') });
    expect(own.defaults.map(({ device }) => device)).toEqual(['eth0']);
  });

  it('has nothing where the kernel has no lists', () => {
    expect(routesOf({})).toEqual({ own: [], used: [], attached: [], defaults: [] });
  });

  it('is read from this machine', () => {
    expect(readRoutes().own.length).toBeGreaterThan(0);
  });
});

// Works out ways out of hosts of several kinds.

import { describe, expect, it } from 'vitest';
import type { DefaultRoute, HostRoutes } from '../../../src/isolation/network/routes.ts';
import { decideIpv6, mtuOf, uplinksOf } from '../../../src/isolation/network/uplink.ts';

const host = (...defaults: Partial<DefaultRoute>[]): HostRoutes => ({
  own: [],
  used: [],
  attached: [],
  defaults: defaults.map((one) => ({ family: 4, device: 'eth0', metric: 0, advertised: false, ...one })),
});
const kernel = (files: Record<string, string>, ...held: string[]) => ({
  read: (name: string) => files[name.replace('net/ipv6/conf/', '')],
  held: () => held.map((name) => `net/ipv6/conf/${name}`),
});

describe('uplinks', () => {
  it('are the interfaces of default routes', () => {
    const both = host(
      { device: 'wg0' },
      { device: 'eth0' },
      { device: 'eth1', family: 6 },
      { device: 'eth0', family: 6 },
    );
    expect(uplinksOf(both)).toEqual(['eth0', 'eth1', 'wg0']);
    expect(uplinksOf(both, 4)).toEqual(['eth0', 'wg0']);
    expect(uplinksOf(host())).toEqual([]);
  });

  it('say how large packets may be', () => {
    const mtus: Record<string, number> = { eth0: 1500, wg0: 1420, lo0: 65_536, tiny: 576 };
    const mtu = (...defaults: Partial<DefaultRoute>[]) => mtuOf(host(...defaults), (device) => mtus[device]);
    expect(mtu({})).toBe(1500);
    expect(mtu({ metric: 100 }, { device: 'wg0', metric: 50 })).toBe(1420);
    expect(mtu({ metric: 50 }, { device: 'wg0', metric: 100 })).toBe(1500);
    expect(mtu({}, { device: 'wg0', family: 6 })).toBe(1420);
    expect(mtu({ device: 'lo0' })).toBe(65_535);
    expect(mtu({ device: 'tiny' })).toBe(1280);
    expect(mtu({ device: 'gone' })).toBe(1500);
    expect(mtu()).toBe(1500);
  });
});

describe('IPv6', () => {
  const advertised = host({ family: 6, advertised: true });

  it('is none without a way out', () => {
    expect(decideIpv6(host({}), kernel({}))).toMatchObject({
      ok: false,
      why: expect.stringContaining('no default route'),
    });
  });

  it('is forwarded by the uplinks alone where the kernel can', () => {
    const files = { 'eth0/force_forwarding': '0', 'all/forwarding': '0', 'eth0/accept_ra': '1' };
    expect(decideIpv6(advertised, kernel(files))).toEqual({ ok: true, how: 'uplinks' });
  });

  it('takes nothing more where the host forwards already', () => {
    expect(decideIpv6(advertised, kernel({ 'all/forwarding': '1' }))).toEqual({ ok: true, how: 'nothing' });
    const ours = kernel({ 'all/forwarding': '1' }, 'all/forwarding');
    expect(decideIpv6(advertised, ours)).toEqual({ ok: true, how: 'all' });
  });

  it('is refused where it would cost the host its route', () => {
    const files = { 'all/forwarding': '0', 'eth0/accept_ra': '1' };
    expect(decideIpv6(advertised, kernel(files))).toMatchObject({
      ok: false,
      why: expect.stringContaining('eth0'),
      hint: expect.stringContaining('sysctl -w net.ipv6.conf.eth0.accept_ra=2'),
    });
    expect(decideIpv6(advertised, kernel({ ...files, 'eth0/accept_ra': '2' }))).toEqual({
      ok: true,
      how: 'all',
    });
    expect(decideIpv6(host({ family: 6 }), kernel(files))).toEqual({ ok: true, how: 'all' });
  });
});

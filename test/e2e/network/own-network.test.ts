// Logins on a host whose network is the test's own (test/fixtures/network): what every test of networks stands on.

import { readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { addresses, Internet } from '../../fixtures/network/internet.ts';
import { type Outcome, probeFrom, probeOutside, type Target } from '../../fixtures/network/probe.ts';
import { describeFinished } from '../../fixtures/process.ts';
import type { World } from '../../fixtures/world.ts';

const everything: Target[] = Object.values(addresses.far).flatMap((address) =>
  (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({ protocol, address })),
);

describe.skipIf(control)('a host with a network of its own', () => {
  let internet: Internet;
  let world: World;
  beforeAll(async () => {
    internet = await Internet.create();
    world = await internet.world({ policy: { defaults: { image: 'host', network: 'none' } } });
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await internet?.[Symbol.asyncDispose]();
  });

  it('reaches the internet', async () => {
    await internet.host.ok('sysctl', '-qw', 'net.ipv4.ping_group_range=0 2147483647');
    const outcomes = await probeOutside(internet.host, everything);
    expect(outcomes.map(({ result }) => result)).toEqual(everything.map(() => 'open'));
    const seen = new Set(outcomes.map(({ seenAs }: Outcome) => seenAs).filter((address) => address));
    expect(seen).toEqual(new Set(Object.values(addresses.host)));
  });

  it('lets users log in, and a sandbox without a network reach nobody', async () => {
    const login = world.login('shell');
    const result = await login.ssh('readlink /proc/self/ns/net; cat /proc/net/dev | tail -n +3');
    expect(result.code, describeFinished(result)).toBe(0);
    const [namespace, ...devices] = result.stdout.toString().trimEnd().split('\n');
    expect(namespace).not.toBe(readlinkSync('/proc/self/ns/net'));
    expect(devices.map((line) => line.trim().split(':')[0])).toEqual(['lo']);
    for (const { result: said } of await probeFrom(login, everything)) {
      expect(['ENETUNREACH', 'EACCES']).toContain(said);
    }
  });

  it('runs daemon and sshd on that host', async () => {
    const own = readlinkSync(`/proc/${internet.host.pid}/ns/net`);
    expect(readlinkSync(`/proc/${world.host.daemonPid}/ns/net`)).toBe(own);
    expect(readlinkSync(`/proc/${world.sshd('shell').pid}/ns/net`)).toBe(own);
    expect(readlinkSync('/proc/self/ns/net')).not.toBe(own);
  });
});

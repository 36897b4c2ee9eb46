// Tests what a supervisor is told of its sandbox's network, and when.

import { describe, expect, it } from 'vitest';
import { hostsText, resolvConfText } from '../../../src/isolation/network/files.ts';
import { Members, type Tell } from '../../../src/isolation/network/members.ts';
import {
  type NetworkPlan,
  opens,
  planOf,
  type SandboxLink,
  type Surroundings,
  writeNetwork,
} from '../../../src/isolation/network/plan.ts';
import type { NetworkRule, PrivateNetwork } from '../../../src/lib/network/network.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import { fieldsOf, parseWire, WireWriter } from '../../../src/lib/wire.ts';

const aNetwork = (changes: Partial<PrivateNetwork> = {}): PrivateNetwork => ({
  kind: 'private',
  allow: [],
  deny: [],
  open: [],
  dns: 'host',
  publish: [],
  mosh: null,
  bytesIn: null,
  bytesOut: null,
  connections: null,
  newConnections: null,
  networks: [],
  strict: true,
  ...changes,
});
const aLink = (index = 0): SandboxLink => ({
  name: `dsh${index}-abcd`,
  addresses: [`10.213.0.${index + 2}`, `fd12::${index + 2}`],
  resolver: '10.213.0.1',
  pools: ['10.213.0.0/16', 'fd12::/64'],
  mtu: 1500,
  index,
});
const aRule = (target: NetworkRule['target'], changes: Partial<NetworkRule> = {}): NetworkRule => ({
  target,
  protocol: 'any',
  firstPort: 0,
  lastPort: 65_535,
  ...changes,
});
const around: Surroundings = {
  host: [
    { family: 4, address: '203.0.113.2', prefix: 32 },
    { family: 4, address: '198.18.0.0', prefix: 15 },
  ],
  bridged: [],
  relay: '/run/relay.sock',
  publishPool: { first: 20_000, last: 20_019, each: 10 },
  moshPool: { first: 61_000, last: 61_007, each: 4 },
  resolvConf: 'search example\nnameserver 192.0.2.1\n',
};
const plan = (network: Partial<PrivateNetwork>, index = 0, surroundings = around): NetworkPlan =>
  planOf(aNetwork(network), { link: aLink(index), hostname: 'box', peers: [] }, surroundings);

describe('rules', () => {
  const addresses = { family: 4, address: '192.0.2.0', prefix: 24 } as const;
  const ports = { firstPort: 80, lastPort: 443 };

  it('are lines for addresses, the host and everything', () => {
    const { rules } = plan({
      allow: [aRule({ kind: 'addresses', addresses }), aRule({ kind: 'any' }, { protocol: 'icmp' })],
      open: [aRule({ kind: 'host' }, { protocol: 'tcp', firstPort: 22, lastPort: 22 })],
    });
    expect(rules).toEqual([
      'open tcp 203.0.113.2 22-22',
      'open tcp 198.18.0.0/15 22-22',
      'allow any 192.0.2.0/24 0-65535',
      'allow icmp 0.0.0.0/0 0-65535',
      'allow icmp ::/0 0-65535',
    ]);
  });

  it("close networks of the host's bridges as they do its addresses, but mean these alone by the word", () => {
    const bridged: Surroundings['bridged'] = [{ family: 4, address: '172.17.0.0', prefix: 16 }];
    const { host, rules } = plan({ open: [aRule({ kind: 'host' })] }, 0, { ...around, bridged });
    expect(host).toEqual(['203.0.113.2', '198.18.0.0/15', '172.17.0.0/16']);
    expect(rules).toEqual(['open any 203.0.113.2 0-65535', 'open any 198.18.0.0/15 0-65535']);
  });

  it('take ports for those of TCP and UDP', () => {
    expect(plan({ deny: [aRule({ kind: 'addresses', addresses }, ports)] }).rules).toEqual([
      'deny tcp 192.0.2.0/24 80-443',
      'deny udp 192.0.2.0/24 80-443',
    ]);
  });

  it('have a set for each name, which the relay fills', () => {
    const name = (below: boolean) => ({ kind: 'name', name: 'example.org', below }) as const;
    const { rules, dns } = plan({
      deny: [aRule(name(false), { protocol: 'tcp' })],
      allow: [aRule(name(true)), aRule(name(false), { protocol: 'udp' })],
    });
    expect(rules).toEqual(['deny tcp @0 0-65535', 'allow any @1 0-65535', 'allow udp @0 0-65535']);
    expect(dns).toBe('name box 10.213.0.2\nname box fd12::2\npin 0 example.org\npin 1 *.example.org\n');
  });

  it('open something, or do not', () => {
    expect(opens(plan({ allow: [aRule({ kind: 'any' })] }))).toBe(false);
    expect(opens(plan({ open: [aRule({ kind: 'host' })] }))).toBe(true);
  });
});

describe('published ports', () => {
  const ports = {
    protocol: 'tcp',
    address: '127.0.0.1',
    first: 8080,
    own: false,
    count: 1,
    inside: 80,
  } as const;

  it('are those that the policy names', () => {
    expect(plan({ publish: [ports, { ...ports, count: 3, inside: null }] }).published).toEqual([
      'tcp 127.0.0.1 8080-8080 80-80',
      'tcp 127.0.0.1 8080-8082 8080-8082',
    ]);
  });

  it("are counted from the user's own", () => {
    const own = { ...ports, own: true, first: 2 };
    expect(plan({ publish: [own] }, 1).published).toEqual(['tcp 127.0.0.1 20012-20012 80-80']);
    const refused = expect.objectContaining({ code: 'E_PORT' });
    expect(() => plan({ publish: [own] }, 2)).toThrow(refused);
    expect(() => plan({ publish: [own] }, 0, { ...around, publishPool: null })).toThrow(refused);
    expect(() => plan({ mosh: { kind: 'own' } }, 2)).toThrow(refused);
  });

  it('are for mosh as well, at every address', () => {
    expect(plan({ mosh: { kind: 'own' } }, 1).published).toEqual([
      'udp 0.0.0.0 61004-61007 61004-61007',
      'udp :: 61004-61007 61004-61007',
    ]);
    expect(plan({ mosh: { kind: 'range', first: 60_000, last: 60_010 } }).published[0]).toBe(
      'udp 0.0.0.0 60000-60010 60000-60010',
    );
  });
});

it('is sent as fields', () => {
  const network = aNetwork({ bytesIn: 1_000_000, connections: 100, dns: ['192.0.2.53'] });
  const peers = [{ name: 'ada', addresses: ['10.213.0.9'] }];
  const sent = writeNetwork(
    new WireWriter('network').u32('slot', 1),
    planOf(network, { link: aLink(), hostname: 'box', peers }, around),
  ).finish();
  const message = parseWire(sent);
  if (message === undefined) throw new Error('it is not understood');
  const texts = (tag: Parameters<typeof fieldsOf>[1]) => fieldsOf(message, tag).map(String);
  expect(texts('netAddress')).toEqual(['10.213.0.2', 'fd12::2']);
  expect(texts('netPool')).toEqual(['10.213.0.0/16', 'fd12::/64']);
  expect(texts('netPeer')).toEqual(['ada 10.213.0.9']);
  expect(texts('netDns')).toEqual([
    'server 192.0.2.53\nname box 10.213.0.2\nname box fd12::2\nname ada 10.213.0.9\n',
  ]);
  expect(fieldsOf(message, 'netRate')[0]?.readBigUInt64LE(0)).toBe(1_000_000n);
});

describe('members', () => {
  const told = new Map<number, NetworkPlan[]>();
  const opened: string[] = [];
  let host = around;
  const members = new Members({
    surroundings: () => host,
    planned: (link, made) => opened.push(`${link.name} ${made === undefined ? 'gone' : String(opens(made))}`),
    changed: () => {},
    failed: () => {},
  });
  const subject = (index: number) => ({
    uid: Uid.parse(1000 + index),
    user: `user${index}`,
    hostname: 'box',
    link: aLink(index),
  });
  const tell =
    (index: number): Tell =>
    async (made) => {
      told.set(index, [...(told.get(index) ?? []), made]);
      return await Promise.resolve(undefined);
    };
  const join = (index: number, network: PrivateNetwork) => {
    const made = members.planFor(subject(index), network);
    members.join(subject(index), tell(index), network, made);
    return made;
  };
  const settled = async () => await new Promise((resolve) => setTimeout(resolve, 60));

  it('hear of each other where they share a network', async () => {
    expect(join(0, aNetwork({ networks: ['a'] })).peers).toEqual([]);
    expect(join(1, aNetwork({ networks: ['b', 'a'] })).peers).toEqual(['user0 10.213.0.2', 'user0 fd12::2']);
    expect(join(2, aNetwork({ networks: ['c'] })).peers).toEqual([]);
    expect(join(3, aNetwork()).peers).toEqual([]);
    await settled();
    expect(told.get(0)?.map(({ peers }) => peers)).toEqual([['user1 10.213.0.3', 'user1 fd12::3']]);
    for (const index of [1, 2, 3]) expect(told.get(index)).toBeUndefined();
    expect(opened.slice(0, 2)).toEqual(['dsh0-abcd false', 'dsh1-abcd true']);
    expect(opened.at(-1)).toBe('dsh0-abcd true');
  });

  it('hear nothing where nothing is another thing', () => {
    members.refresh();
    members.follow(Uid.parse(1003), aNetwork());
    expect(told.get(3)).toBeUndefined();
  });

  it("hear of the host's addresses and of the policy at once", () => {
    host = { ...around, host: [] };
    members.refresh();
    for (const index of [0, 1, 2, 3]) expect(told.get(index)?.at(-1)?.host).toEqual([]);
    members.follow(Uid.parse(1003), aNetwork({ connections: 10 }));
    expect(told.get(3)?.at(-1)?.connections).toBe(10);
  });

  it('are no peers any more when they are gone, a later one of the same user left alone', async () => {
    members.leave(Uid.parse(1001), { ...aLink(1), name: 'dsh1-older' });
    await settled();
    expect(told.get(0)?.at(-1)?.peers).toHaveLength(2);
    members.leave(Uid.parse(1001), aLink(1));
    await settled();
    expect(told.get(0)?.at(-1)?.peers).toEqual([]);
    expect(members.size).toBe(3);
  });

  it('of an earlier daemon are told when all are known, and not without their peers', async () => {
    for (const index of [5, 6, 7])
      members.join({ ...subject(index), uid: Uid.parse(1000 + index) }, tell(index));
    for (const index of [5, 6]) members.follow(Uid.parse(1000 + index), aNetwork({ networks: ['again'] }));
    await settled();
    expect(told.get(5)).toBeUndefined();
    members.follow(Uid.parse(1007), aNetwork({ networks: ['again'] }));
    for (const index of [5, 6, 7]) {
      expect(told.get(index)?.map(({ peers }) => peers.length)).toEqual([4]);
      members.leave(Uid.parse(1000 + index), aLink(index));
    }
    members.join(subject(8), tell(8));
    members.join(subject(9), tell(9));
    members.follow(Uid.parse(1008), aNetwork());
    await expect.poll(() => told.get(8)?.length, { timeout: 3000 }).toBe(1);
    for (const index of [8, 9]) members.leave(Uid.parse(1000 + index), aLink(index));
  });

  it('are a thousand, and three hundred in one network, and hear in time', async () => {
    for (let index = 10; index < 1010; index += 1)
      join(index, aNetwork(index < 310 ? { networks: ['big'] } : {}));
    await settled();
    const started = performance.now();
    host = around;
    members.refresh();
    expect(performance.now() - started).toBeLessThan(5000); // alone, a tenth of a second
    expect(told.get(309)?.at(-1)?.peers).toHaveLength(598);
    expect(told.get(1009)?.at(-1)?.host).toHaveLength(2);
  });
});

describe('files inside', () => {
  it('name the resolver, and search as the host does', () => {
    const host =
      '# made by somebody\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lab.example.org example.org\n';
    expect(resolvConfText(host, '10.213.0.1')).toBe(
      'nameserver 10.213.0.1\noptions edns0 trust-ad\nsearch lab.example.org example.org\n',
    );
    expect(resolvConfText('', '10.213.0.1')).toBe('nameserver 10.213.0.1\n');
    expect(resolvConfText('search\nsearching x\n options rotate \ndomain a.b', '1.2.3.4')).toBe(
      'nameserver 1.2.3.4\noptions rotate\ndomain a.b\n',
    );
    // A line that there is no room for, or that C could not read, is left out.
    expect(resolvConfText(`search ${'x'.repeat(5000)}\noptions a\0b\noptions rotate\n`, '1.2.3.4')).toBe(
      'nameserver 1.2.3.4\noptions rotate\n',
    );
  });

  it('have the own name at the own addresses', () => {
    expect(hostsText('box', ['10.213.0.2', 'fd12::2'])).toBe(
      '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.213.0.2\tbox\nfd12::2\tbox\n',
    );
  });
});

// Tries who reaches whom under the rules of a plan, by real sockets: from a sandbox to everywhere and from everywhere to it,
// and for policies at random what their order says.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Outcome, type Protocol, probeOutside, type Target } from '../../fixtures/network/probe.ts';
import { addresses, clear, Linked, metadata, otherPort, peerPort, type Sandbox } from './linked.ts';

let linked: Linked;
let ada: Sandbox;
let bob: Sandbox;

beforeAll(async () => {
  linked = await Linked.create();
  ada = linked.sandbox(0);
  bob = linked.sandbox(1);
});
afterAll(async () => {
  await linked[Symbol.asyncDispose]();
});

const protocols: Protocol[] = ['tcp', 'udp', 'icmp'];
const all = (...hosts: string[]): Target[] =>
  hosts.flatMap((address) => protocols.map((protocol) => ({ protocol, address })));

async function reach(from: Sandbox, targets: readonly Target[]): Promise<Outcome[]> {
  return await probeOutside(from.space, targets, 1);
}

const outside: string[] = [...Object.values(addresses.far), ...Object.values(addresses.gateway)];
const closed: string[] = [...Object.values(addresses.host), ...Object.values(metadata)];

/** Answered at once: nobody waits for what is refused. */
function expectRefused(outcomes: readonly Outcome[]): void {
  for (const outcome of outcomes) {
    expect(outcome.result).toMatch(/^(ECONNREFUSED|EPERM|EACCES|EHOSTUNREACH)$/);
    expect(outcome.seconds).toBeLessThan(0.9);
  }
}

const open = (count: number): string[] => Array.from({ length: count }, () => 'open');
const resultsOf = (outcomes: readonly Outcome[]): string[] => outcomes.map(({ result }) => result);

test('without rules all of it can be reached, so that what follows shows something', async () => {
  await clear(ada);
  const targets = all(...outside, ...closed);
  expect(resultsOf(await reach(ada, targets))).toEqual(open(targets.length));
  expect(resultsOf(await reach(ada, all(bob.v4, bob.v6)))).toEqual(open(6));
  expect(resultsOf(await probeOutside(linked.internet.internet, all(ada.v4, ada.v6), 1))).toEqual(open(6));
});

describe('by default', () => {
  beforeAll(async () => {
    await linked.apply(ada, ['connections 1000', 'new_connections 1000']);
    await clear(bob);
  });

  test('the way out is open', async () => {
    const targets = all(...outside);
    expect(resultsOf(await reach(ada, targets))).toEqual(open(targets.length));
  });

  test('the host, metadata and other sandboxes are refused at once', async () => {
    expectRefused(await reach(ada, all(...closed, bob.v4, bob.v6)));
  });

  test('v4 addresses in those of v6 get nobody further', async () => {
    expectRefused(await reach(ada, all('64:ff9b::a9fe:a9fe', '64:ff9b::cb00:7102')));
    const mapped: Target[] = [
      { protocol: 'tcp', address: `::ffff:${metadata.v4}` },
      { protocol: 'udp', address: `::ffff:${addresses.host.v4}` },
    ];
    expectRefused(await reach(ada, mapped));
    const [outcome] = await reach(ada, [{ protocol: 'tcp', address: `::ffff:${addresses.far.v4}` }]);
    expect(outcome?.result).toBe('open');
  });

  test('nobody comes in, but for the answers to what was asked', async () => {
    const targets = all(ada.v4, ada.v6).filter(({ protocol }) => protocol !== 'icmp');
    for (const space of [linked.internet.internet, linked.internet.host, bob.space])
      expect(resultsOf(await probeOutside(space, targets, 1))).toEqual(targets.map(() => 'timeout'));
    const ping = all(ada.v4, ada.v6).filter(({ protocol }) => protocol === 'icmp');
    expect(resultsOf(await probeOutside(linked.internet.host, ping, 1))).toEqual(open(2));
    expect(resultsOf(await probeOutside(bob.space, ping, 1))).toEqual(['timeout', 'timeout']);
  });

  test('its own loopback is its own', async () => {
    const own = all('127.0.0.1', '::1', ada.v4, ada.v6, '10.99.0.1');
    expect(resultsOf(await reach(ada, own))).toEqual(open(own.length));
  });
});

test('members of a network reach each other, and nobody else', async () => {
  const members = (one: Sandbox) => [`peer ${one.name} ${one.v4}`, `peer ${one.name} ${one.v6}`];
  await linked.apply(ada, members(bob));
  await linked.apply(bob, members(ada));
  expect(resultsOf(await reach(ada, all(bob.v4, bob.v6)))).toEqual(open(6));
  expect(resultsOf(await reach(bob, all(ada.v4, ada.v6)))).toEqual(open(6));
  expectRefused(await reach(ada, all('10.99.0.77', 'fd77::77', ...closed)));
  await linked.apply(ada, [...members(bob), 'rule deny tcp 0.0.0.0/0 7007-7007']);
  expectRefused(await reach(ada, [{ protocol: 'tcp', address: bob.v4 }]));
  expect(resultsOf(await reach(ada, all(bob.v6)))).toEqual(open(3));
});

test('a thousand rules are rules, and the last one counts', async () => {
  const many = Array.from({ length: 1000 }, (_none, index) => {
    const target = `11.${index >> 8}.${index & 255}.0/24`;
    return `rule allow tcp ${target} ${index < 500 ? '443-443' : `${index}-${index + 3}`}`;
  });
  await linked.apply(ada, [...many, `rule allow tcp ${addresses.far.v4} ${peerPort}-${peerPort}`]);
  const [first, second] = await reach(ada, [
    { protocol: 'tcp', address: addresses.far.v4 },
    { protocol: 'tcp', address: addresses.far.v4, port: otherPort },
  ]);
  expect(first?.result).toBe('open');
  expect(second?.result).toBe('ECONNREFUSED');
});

interface Rule {
  readonly verdict: 'allow' | 'deny' | 'open';
  readonly protocol: 'any' | Protocol;
  readonly target: string;
  readonly ports: readonly [number, number];
}

const targetsOfRules = [
  ...[
    '0.0.0.0/0',
    '::/0',
    '198.51.100.0/24',
    '203.0.113.0/29',
    '169.254.0.0/16',
    '2001:db8::/32',
    'fd00::/8',
  ],
  ...[...outside, ...closed],
];

/** Covers an address as far as the few that are tried here go. */
function covers(target: string, address: string): boolean {
  if (target === address) return true;
  if (target.includes(':') !== address.includes(':')) return false;
  const beginnings: Record<string, string> = {
    '0.0.0.0/0': '',
    '::/0': '',
    '198.51.100.0/24': '198.51.100.',
    '203.0.113.0/29': '203.0.113.',
    '169.254.0.0/16': '169.254.',
    '2001:db8::/32': '2001:db8:',
    'fd00::/8': 'fd',
  };
  const beginning = beginnings[target];
  return beginning !== undefined && address.startsWith(beginning);
}

function expected(rules: readonly Rule[], { protocol, address, port = peerPort }: Target): boolean {
  const matches = (verdict: Rule['verdict']): boolean =>
    rules.some(
      (rule) =>
        rule.verdict === verdict &&
        (rule.protocol === 'any' || rule.protocol === protocol) &&
        (protocol === 'icmp' || (rule.ports[0] <= port && port <= rule.ports[1])) &&
        covers(rule.target, address),
    );
  if (matches('deny')) return false;
  if (matches('open')) return true;
  if (closed.includes(address)) return false;
  return matches('allow') || rules.every(({ verdict }) => verdict !== 'allow');
}

/** Numbers that look random and are the same in every run. */
function randomly(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return (state >> 8) % below;
  };
}

test('policies at random do what their order says', async () => {
  const below = randomly(12);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const ports = [
    [0, 65_535],
    [peerPort, peerPort],
    [otherPort, otherPort],
    [peerPort, otherPort],
    [1, 1024],
  ] as const;
  const targets = [...outside, ...closed].flatMap((address): Target[] => [
    { protocol: 'tcp', address },
    { protocol: 'tcp', address, port: otherPort },
    { protocol: 'udp', address },
    { protocol: 'udp', address, port: otherPort },
    { protocol: 'icmp', address },
  ]);
  for (let round = 0; round < 12; round++) {
    const rules = Array.from({ length: 1 + below(8) }, (): Rule => {
      const protocol = pick(['any', ...protocols] as const);
      const whole = protocol === 'any' || protocol === 'icmp';
      return {
        verdict: pick(['allow', 'deny', 'open'] as const),
        protocol,
        target: pick(targetsOfRules),
        ports: whole ? ports[0] : pick(ports),
      };
    });
    const lines = rules.map(
      ({ verdict, protocol, target, ports: [first, last] }) =>
        `rule ${verdict} ${protocol} ${target} ${first}-${last}`,
    );
    await linked.apply(ada, lines);
    const outcomes = await reach(ada, targets);
    const seen = targets.map((target, index) => ({ ...target, open: outcomes[index]?.result === 'open' }));
    expect(seen, lines.join('\n')).toEqual(
      targets.map((target) => ({ ...target, open: expected(rules, target) })),
    );
    expectRefused(outcomes.filter(({ result }) => result !== 'open'));
  }
}, 120_000);

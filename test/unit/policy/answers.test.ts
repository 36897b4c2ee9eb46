// Tests of what a private network answers, of the line that says so, and of the line that would let it pass.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cidr, parseAddress, parseCidr } from '../../../src/lib/network/address.ts';
import { type Surroundings, whyClosed } from '../../../src/lib/network/closed.ts';
import { formatRule, type NetworkRule, type PrivateNetwork } from '../../../src/lib/network/network.ts';
import { evaluate } from '../../../src/policy/evaluate.ts';
import { explain } from '../../../src/policy/explain.ts';
import { adviceFor } from '../../../src/policy/network/advice.ts';
import { type Answer, answersFor, coversRule } from '../../../src/policy/network/answer.ts';
import { recordedDefault, withOlderNetwork } from '../../../src/policy/network/older.ts';
import { explainedNetwork, sourceOfRule } from '../../../src/policy/network/sources.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import type { Policy } from '../../../src/policy/policy.ts';
import { ruleOf } from '../../../src/policy/values/network.ts';
import { holds } from '../lib/holds.ts';

const alice = { name: 'alice', uid: 1000, groups: ['lab'], host: 'box' };

function policyOf(text: string): Policy {
  const { policy, problems } = parsePolicy(`[defaults]\nimage = host\n${text}`, 'p.ini');
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  return policy;
}

function networkOf(text: string): PrivateNetwork {
  const evaluation = evaluate(policyOf(`network = private\n${text}`), alice);
  if (evaluation.kind !== 'ok' || evaluation.policy.network.kind !== 'private') throw new Error(text);
  return evaluation.policy.network;
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

function rule(text: string): NetworkRule {
  const parsed = ruleOf(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

const surroundings: Surroundings = {
  pools: [cidr('10.213.0.0/16'), cidr('fd00:1::/64')],
  host: [cidr('203.0.113.2'), cidr('2001:db8:1::2')],
  bridged: [],
};

/** "192.0.2.1:443/tcp", "example.org:443" with the address that it leads to behind a blank. */
function ask(network: PrivateNetwork, to: string): string[] {
  const [written = '', leadsTo] = to.split(' ');
  const { target, ...traffic } = rule(written);
  const name = target.kind === 'name' ? target.name : undefined;
  const text = target.kind === 'addresses' ? target.addresses.address : leadsTo;
  const address = text === undefined ? undefined : parseAddress(text);
  return answersFor(network, { ...traffic, name, address }, surroundings).map(shown);
}

function shown({ about, reached, by }: Answer): string {
  const why =
    by.kind === 'rule' ? `${by.key} ${formatRule(by.rule)}` : by.kind === 'closed' ? by.what : by.kind;
  const ports = about.lastPort === 65_535 ? '' : ` ${about.firstPort}-${about.lastPort}`;
  return `${about.protocol}${ports} ${reached ? 'yes' : 'no'}: ${why}`;
}

describe('a destination', () => {
  const open = networkOf('');
  test.each([
    ['192.0.2.1:443/tcp', 'tcp 443-443 yes: notClosed'],
    ['2001:db8:7::7', 'any yes: notClosed'],
    ['127.0.0.1:80/tcp', 'tcp 80-80 yes: inside'],
    ['::1', 'any yes: inside'],
    ['169.254.169.254:80/tcp', "tcp 80-80 no: where clouds keep the machine's credentials"],
    ['fd00:ec2::254', "any no: where clouds keep the machine's credentials"],
    ['168.63.129.16', "any no: where clouds keep the machine's credentials"],
    ['100.100.100.200', "any no: where clouds keep the machine's credentials"],
    ['169.254.1.1', 'any no: a link-local address'],
    ['fe80::1', 'any no: a link-local address'],
    ['224.0.0.251', 'any no: for many hosts at once (multicast, broadcast)'],
    ['255.255.255.255', 'any no: for many hosts at once (multicast, broadcast)'],
    ['203.0.113.2:22/tcp', 'tcp 22-22 no: an address of this host'],
    ['2001:db8:1::2', 'any no: an address of this host'],
    ['10.213.0.9', "any no: another sandbox's address"],
    ['fd00:1::9', "any no: another sandbox's address"],
    ['rebind.example:80/tcp 169.254.169.254', "tcp 80-80 no: where clouds keep the machine's credentials"],
    ['rebind.example:80/tcp 203.0.113.2', 'tcp 80-80 no: an address of this host'],
  ])('%s without any rule', (to, answer) => {
    expect(ask(open, to)).toEqual([answer]);
  });

  const ruled = networkOf(
    'allow_out = any:443/tcp *.example.org 192.0.2.0/24:80-90\ndeny_out = 192.0.2.66 bad.example.org any:25\nopen_out = host:5432/tcp\n',
  );
  test.each([
    ['198.51.100.7:443/tcp', ['tcp 443-443 yes: allow_out any:443/tcp']],
    ['198.51.100.7:443/udp', ['udp 443-443 no: notAllowed']],
    ['198.51.100.7:443', ['tcp 443-443 yes: allow_out any:443/tcp', 'any 443-443 no: notAllowed']],
    ['192.0.2.1:85', ['any 85-85 yes: allow_out 192.0.2.0/24:80-90']],
    ['192.0.2.1/icmp', ['icmp no: notAllowed']],
    ['192.0.2.66:443/tcp', ['tcp 443-443 no: deny_out 192.0.2.66']],
    ['www.example.org:22 198.51.100.9', ['any 22-22 yes: allow_out *.example.org']],
    ['www.example.org:22', ['any 22-22 yes: allow_out *.example.org']],
    ['example.org:22 198.51.100.9', ['any 22-22 no: notAllowed']],
    ['bad.example.org:443 198.51.100.9', ['any 443-443 no: deny_out bad.example.org']],
    ['www.example.org:25 198.51.100.9', ['any 25-25 no: deny_out any:25']],
    ['www.example.org:80 192.0.2.66', ['any 80-80 no: deny_out 192.0.2.66']],
    ['203.0.113.2:5432/tcp', ['tcp 5432-5432 yes: open_out host:5432/tcp']],
    ['203.0.113.2:443/tcp', ['tcp 443-443 no: an address of this host']],
    ['www.example.org:443 10.213.0.9', ["any 443-443 no: another sandbox's address"]],
    [
      '203.0.113.2',
      [
        'any 25-25 no: deny_out any:25',
        'tcp 5432-5432 yes: open_out host:5432/tcp',
        'any no: an address of this host',
      ],
    ],
  ])('%s with rules', (to, answers) => {
    expect(ask(ruled, to)).toEqual(answers);
  });

  test('that deny_out names stays closed, whatever is opened or allowed', () => {
    const network = networkOf('deny_out = any\nopen_out = host:22\nallow_out = any\n');
    for (const to of ['203.0.113.2:22', '192.0.2.1:443', 'example.org:443 192.0.2.1'])
      expect(ask(network, to)[0]).toMatch(/no: deny_out any$/);
  });
});

const written = fc
  .tuple(
    fc.constantFrom(
      'any',
      'host',
      '192.0.2.0/24',
      '192.0.2.1',
      '203.0.113.0/24',
      '2001:db8::/32',
      '10.213.0.0/16',
      '169.254.169.254',
      'example.org',
      '*.example.org',
    ),
    fc.constantFrom('', ':1', ':1-3', ':2-65535', ':80'),
    fc.constantFrom('', '/tcp', '/udp', '/icmp'),
  )
  .filter(([, port, protocol]) => port === '' || protocol !== '/icmp')
  .map(
    ([target, port, protocol]) =>
      (target.includes('::') && port !== '' ? `[${target}]` : target) + port + protocol,
  );
const rules = fc.array(written, { maxLength: 4 }).map((all) => all.map(rule));
const openRules = fc
  .array(written, { maxLength: 3 })
  .map((all) => all.map(rule).filter(({ target }) => target.kind === 'addresses' || target.kind === 'host'));
const destination = fc.record({
  name: fc.constantFrom(undefined, 'example.org', 'www.example.org', 'other.example'),
  address: fc
    .constantFrom(
      '192.0.2.1',
      '192.0.2.9',
      '203.0.113.2',
      '10.213.0.5',
      '169.254.169.254',
      '2001:db8:1::2',
      '8.8.8.8',
    )
    .map((text) => parseAddress(text)),
  protocol: fc.constantFrom('tcp' as const, 'udp' as const),
  port: fc.constantFrom(1, 2, 3, 4, 80, 443),
});

/** One packet at a time, in the order of the kernel's rules. */
function oracle(network: PrivateNetwork, to: fc.RandomType | Record<string, unknown>): boolean {
  const { name, address, protocol, port } = to as {
    name?: string;
    address: NonNullable<ReturnType<typeof parseAddress>>;
    protocol: string;
    port: number;
  };
  const block = cidr(address.address);
  const fits = (one: NetworkRule): boolean => {
    const { target } = one;
    const isThere =
      target.kind === 'any' ||
      (target.kind === 'host' && surroundings.host.some((own) => own.address === address.address)) ||
      (target.kind === 'addresses' &&
        coversRule(
          { ...one, protocol: 'any', firstPort: 0, lastPort: 65_535 },
          {
            ...one,
            target: { kind: 'addresses', addresses: block },
            protocol: 'any',
            firstPort: 0,
            lastPort: 65_535,
          },
          [],
        )) ||
      (target.kind === 'name' &&
        (target.below ? name?.endsWith(`.${target.name}`) === true : name === target.name));
    const isProtocol = one.protocol === 'any' || one.protocol === protocol;
    return isThere && isProtocol && one.firstPort <= port && port <= one.lastPort;
  };
  if (network.deny.some(fits)) return false;
  if (network.open.some(fits)) return true;
  if (whyClosed(block, surroundings) !== undefined) return false;
  return network.allow.length === 0 || network.allow.some(fits);
}

holds(
  'one packet is answered as the kernel goes through the rules; what is asked in general says the same of it',
  fc.property(rules, rules, openRules, destination, (allow, deny, open, to) => {
    const network: PrivateNetwork = { ...networkOf(''), allow, deny, open };
    const { name, address, protocol, port } = to;
    const one = answersFor(
      network,
      { name, address, protocol, firstPort: port, lastPort: port },
      surroundings,
    );
    expect(one).toHaveLength(1);
    expect(one[0]?.reached).toBe(oracle(network, to));
    const general = answersFor(
      network,
      { name, address, protocol: 'any', firstPort: 0, lastPort: 65_535 },
      surroundings,
    );
    const first = general.find(
      ({ about }) =>
        (about.protocol === 'any' || about.protocol === protocol) &&
        about.firstPort <= port &&
        port <= about.lastPort,
    );
    expect(first?.reached).toBe(one[0]?.reached);
  }),
  1500,
);

holds(
  'what is advised lets it pass, and nothing is advised for what passes',
  fc.property(rules, rules, openRules, destination, (allow, deny, open, { address, protocol, port }) => {
    const network: PrivateNetwork = { ...networkOf(''), allow, deny, open };
    if (address === undefined) return;
    const to = { name: undefined, address, protocol, firstPort: port, lastPort: port };
    const passes = (changed: PrivateNetwork): boolean =>
      answersFor(changed, to, surroundings)[0]?.reached === true;
    const advice = adviceFor(network, { protocol, address: address.address, port }, surroundings);
    if (advice.kind === 'bounds') expect(passes(network)).toBe(true);
    else expect(passes(network)).toBe(false);
    if (advice.kind === 'add') {
      const added = rule(advice.entry);
      const changed =
        advice.key === 'open_out'
          ? { ...network, open: [...network.open, added] }
          : { ...network, allow: [...network.allow, added] };
      expect(passes(changed)).toBe(true);
    }
    if (advice.kind === 'remove') expect(network.deny).toContainEqual(advice.rule);
  }),
  1500,
);

describe('a rule', () => {
  test('is found in the line that says it, as it is written there', () => {
    const policy = policyOf(
      'network = private\nallow_out = any:443/tcp\n[group:lab]\nallow_out += Deb.Debian.ORG:80 10.0.0.0/8\n',
    );
    const keys = explain(policy, alice);
    const network = explainedNetwork(keys);
    if (network?.kind !== 'private') throw new Error('it is private');
    const places = network.allow.map((one) => {
      const found = sourceOfRule(keys, 'allow_out', one);
      return [found?.written, found?.source.line, found?.source.section];
    });
    expect(places).toEqual([
      ['any:443/tcp', 4, 'defaults'],
      ['Deb.Debian.ORG:80', 6, 'group:lab'],
      ['10.0.0.0/8', 6, 'group:lab'],
    ]);
  });
});

describe('an installation that is older than private networks', () => {
  test('has network = none below all that is written, and explain says where that is from', () => {
    const older = (text: string): Policy => withOlderNetwork(policyOf(text), '/state/network.json');
    const network = (policy: Policy) => explain(policy, alice).find(({ key }) => key === 'network');
    expect(network(older(''))).toMatchObject({
      value: 'none',
      from: [{ file: '/state/network.json', section: 'upgrade' }],
    });
    expect(network(older('[group:lab]\nnetwork = private\n'))).toMatchObject({ value: 'private' });
    expect(network(older('network = host\n'))).toMatchObject({ value: 'host' });
    const evaluation = evaluate(older(''), alice);
    expect(evaluation.kind === 'ok' && evaluation.policy.network).toEqual({ kind: 'none' });
  });

  test('is known by what the daemon has recorded, or by what it keeps', async () => {
    const state = await mkdtemp('/tmp/dockersh-test-');
    try {
      expect(await recordedDefault(path.join(state, 'missing'))).toBe('private');
      expect(await recordedDefault(state)).toBe('private');
      await writeFile(path.join(state, 'ids.json'), '{}');
      expect(await recordedDefault(state)).toBe('none');
      await writeFile(path.join(state, 'network.json'), '{"version":1,"default":"private","users":{}}');
      expect(await recordedDefault(state)).toBe('private');
      await writeFile(path.join(state, 'network.json'), '{"version":1,"defau');
      expect(await recordedDefault(state)).toBe('none');
    } finally {
      await rm(state, { recursive: true });
    }
  });
});

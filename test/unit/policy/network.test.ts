// Tests of the values of the keys about the network, and of what they come to together.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatRule, type Network, shareOf } from '../../../src/lib/network/network.ts';
import { evaluate } from '../../../src/policy/evaluate.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import { checkPolicyValue, hostSection, type PolicyKey } from '../../../src/policy/schema.ts';
import { ruleOf } from '../../../src/policy/values/network.ts';
import { publishEntry } from '../../../src/policy/values/ports.ts';
import { holds, longRunOf, textOf } from '../lib/holds.ts';

function networkOf(lines: string): Network {
  const { policy, problems } = parsePolicy(`[defaults]\nimage = host\n${lines}`, 'p.ini');
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  const evaluation = evaluate(policy, { name: 'alice', uid: 1000, groups: [], host: 'box' });
  if (evaluation.kind !== 'ok') throw new Error(evaluation.why);
  return evaluation.policy.network;
}

function problemOf(key: PolicyKey, text: string): string {
  const checked = checkPolicyValue(key, text);
  if (checked.ok) throw new Error(`${text} is accepted: ${JSON.stringify(checked.value)}`);
  return checked.problem;
}

const everyPort = { firstPort: 0, lastPort: 65_535 };
const block = (address: string, prefix: number, family: 4 | 6 = 4) => ({
  kind: 'addresses',
  addresses: { family, address, prefix },
});

describe('a rule', () => {
  test.each([
    ['any', { target: { kind: 'any' }, protocol: 'any', ...everyPort }],
    ['any:25/tcp', { target: { kind: 'any' }, protocol: 'tcp', firstPort: 25, lastPort: 25 }],
    ['host:5432', { target: { kind: 'host' }, protocol: 'any', firstPort: 5432, lastPort: 5432 }],
    ['192.0.2.1', { target: block('192.0.2.1', 32), protocol: 'any', ...everyPort }],
    ['10.0.0.0/8/icmp', { target: block('10.0.0.0', 8), protocol: 'icmp', ...everyPort }],
    [
      '10.0.0.0/8:80-443/udp',
      { target: block('10.0.0.0', 8), protocol: 'udp', firstPort: 80, lastPort: 443 },
    ],
    ['2001:DB8::/32', { target: block('2001:db8::', 32, 6), protocol: 'any', ...everyPort }],
    [
      '[2001:db8::1]:53',
      { target: block('2001:db8::1', 128, 6), protocol: 'any', firstPort: 53, lastPort: 53 },
    ],
    [
      'Deb.Example.org.',
      { target: { kind: 'name', name: 'deb.example.org', below: false }, protocol: 'any', ...everyPort },
    ],
    [
      '*.example.org:443/tcp',
      {
        target: { kind: 'name', name: 'example.org', below: true },
        protocol: 'tcp',
        firstPort: 443,
        lastPort: 443,
      },
    ],
  ])('%s', (text, rule) => {
    expect(ruleOf(text)).toEqual({ ok: true, value: rule });
  });

  test.each([
    ['10.1.2.3/8', 'has bits behind its prefix: write 10.0.0.0/8, or 10.1.2.3 for the one address'],
    ['10.0.0.0/8:0', 'has the port "0", which is no number from 1 to 65535 and no range such as 8000-8080'],
    ['any:https', 'has the port "https", which is no number from 1 to 65535 and no range such as 8000-8080'],
    ['any:90-80', 'has the port "90-80", which is no number from 1 to 65535 and no range such as 8000-8080'],
    ['any:', 'has the port "", which is no number from 1 to 65535 and no range such as 8000-8080'],
    ['any:7/icmp', 'has a port, and ICMP has none'],
    ['any/sctp', 'ends in "/sctp", which is none of /tcp, /udp, /icmp'],
    ['*', 'is a * alone: write any'],
    [
      'a.*.org',
      'has a * that is not the whole first part: write *.example.org for all names below example.org',
    ],
    [
      '*example.org',
      'has a * that is not the whole first part: write *.example.org for all names below example.org',
    ],
    ['bücher.example', 'is not in ASCII: write xn--bcher-kva.example'],
    ['-a.example', 'is no address, no block such as 10.0.0.0/8, no host name, and not any'],
    ['[192.0.2.1]:80', 'has brackets that are not around an address of IPv6: write [2001:db8::1]:443'],
    ['::ffff:192.0.2.1', 'is an address of IPv4: write 192.0.2.1'],
    ['fe80::1%eth0', 'is no address and no block such as 10.0.0.0/8'],
    ['300.1.1.1', 'is no address and no block such as 10.0.0.0/8'],
    ['1.2.3', 'is no address and no block such as 10.0.0.0/8'],
    ['2001:db8::1:443:9:9:9:9', 'is no address and no block such as 10.0.0.0/8'],
  ])('%s: %s', (text, problem) => {
    expect(problemOf('allow_out', `any ${text}`)).toBe(`has "${text}", which ${problem}`);
  });

  test('of what is closed is an address', () => {
    expect(problemOf('open_out', 'db.example:5432')).toBe(
      'has "db.example:5432", which is a name: write the addresses, or its owner could open any of what is closed',
    );
    for (const all of ['any:22', '0.0.0.0/0', '::/0'])
      expect(problemOf('open_out', all)).toContain(
        'would open all that is closed at once: name the addresses',
      );
  });

  test('is one of 200 in a list', () => {
    const many = (count: number): string =>
      Array.from({ length: count }, (_, index) => `10.0.0.${index % 256}:${index + 1}`).join(' ');
    expect(checkPolicyValue('deny_out', many(200)).ok).toBe(true);
    expect(problemOf('deny_out', many(201))).toBe('has more than 200 entries');
    expect(problemOf('deny_out', ' , ')).toBe('is not a list of targets, or none');
  });
});

const pieces = [
  'any',
  'host',
  '10.0.0.0/8',
  '192.0.2.1',
  ':',
  '80',
  '-',
  '/tcp',
  '/icmp',
  '[',
  ']',
  '2001:db8::',
  '*.',
  'example.org',
  '::ffff:1.2.3.4',
];
holds(
  'any text is a rule that comes back from its text, or is refused with words',
  fc.property(textOf(...pieces), (text) => {
    const rule = ruleOf(text);
    if (rule.ok) expect(ruleOf(formatRule(rule.value))).toEqual(rule);
    else expect(rule.problem).toMatch(/^has /);
  }),
  3000,
);
holds(
  'any text is published ports within bounds, or is refused with words',
  fc.property(
    textOf('8080', '80', ':', '-', '+', '0', '127.0.0.1', '[::1]', '/udp', '65535', '99999'),
    (text) => {
      const entry = publishEntry(text);
      if (!entry.ok) {
        expect(entry.problem).toMatch(/^has /);
        return;
      }
      const { first, count, inside, own } = entry.value;
      expect(count).toBeGreaterThan(0);
      if (!own) expect(first + count - 1).toBeLessThanOrEqual(65_535);
      expect((inside ?? 1) + count - 1).toBeLessThanOrEqual(own ? 75_535 : 65_535);
    },
  ),
  3000,
);
holds(
  'long values take no time',
  fc.property(longRunOf('a', '.', ':', '-', '[', '/', '1', '*.', '+'), (text) => {
    ruleOf(text);
    publishEntry(text);
    for (const key of ['allow_out', 'dns', 'publish', 'networks', 'mosh_ports'] as const)
      checkPolicyValue(key, text);
    hostSection.schema.safeParse({ network_pool: text, publish_pool: text });
  }),
  60,
);

describe('publish', () => {
  const entry = { protocol: 'tcp', address: undefined, own: false, count: 1, inside: null };
  test.each([
    ['8080:80', { ...entry, first: 8080, inside: 80 }],
    ['8080', { ...entry, first: 8080 }],
    ['127.0.0.1:5432:5432', { ...entry, address: '127.0.0.1', first: 5432, inside: 5432 }],
    ['[::1]:22:2222', { ...entry, address: '::1', first: 22, inside: 2222 }],
    ['60000-60010/udp', { ...entry, protocol: 'udp', first: 60_000, count: 11 }],
    ['8000-8009:9000', { ...entry, first: 8000, count: 10, inside: 9000 }],
    ['8000-8009:9000-9009', { ...entry, first: 8000, count: 10, inside: 9000 }],
    ['+0:80', { ...entry, own: true, first: 0, inside: 80 }],
    ['0.0.0.0:+1-4', { ...entry, address: '0.0.0.0', own: true, first: 1, count: 4 }],
  ])('%s', (text, value) => {
    expect(publishEntry(text)).toEqual({ ok: true, value });
  });

  test.each([
    ['8080:80 8080:81', 'has "8080:81", which has a port of the host that another entry has as well'],
    ['8000-8010 8005:80', 'has "8005:80", which has a port of the host that another entry has as well'],
    ['8000-8009:9000-9005', 'has "8000-8009:9000-9005", which has 10 ports of the host and 6 inside'],
    ['8080:80/sctp', 'has "8080:80/sctp", which ends in "/sctp", which is neither /tcp nor /udp'],
    [
      '8080:http',
      'has "8080:http", which has the port "http" inside, which is no number from 1 to 65535 and no range',
    ],
    ['1-300', 'publishes 300 ports: at most 256'],
  ])('%s: %s', (text, problem) => {
    expect(problemOf('publish', text)).toBe(problem);
  });

  test.each([
    '',
    '0:80',
    '70000:80',
    'a:80',
    '1.2.3:80:80',
    '[127.0.0.1]:80:80',
    '1:2:3:4',
    '+',
    '+3-1',
    '-1',
  ])('"%s" is refused', (text) => {
    expect(checkPolicyValue('publish', text).ok).toBe(false);
  });

  test('goes to 127.0.0.1 unless the entry or publish_address says otherwise', () => {
    const published = (lines: string) => {
      const network = networkOf(`network = private\n${lines}`);
      return network.kind === 'private' ? network.publish.map(({ address }) => address) : [];
    };
    expect(published('publish = 8080:80 0.0.0.0:81\n')).toEqual(['127.0.0.1', '0.0.0.0']);
    expect(published('publish = 8080:80 127.0.0.1:81\npublish_address = ::\n')).toEqual(['::', '127.0.0.1']);
  });
});

describe('a pool', () => {
  test.each([
    ['network_pool', '10.88.0.0', 'is no block of addresses of IPv4 such as 10.88.0.0/16'],
    ['network_pool', 'fd00::/64', 'is no block of addresses of IPv4 such as 10.88.0.0/16'],
    ['network_pool', '10.88.0.0/30', 'has a prefix of 30: one from 8 to 28 is needed'],
    ['network_pool', '127.0.0.0/16', 'overlaps 127.0.0.0/8, which cannot be routed'],
    [
      'network_pool',
      '10.88.1.0/16',
      'has bits behind its prefix: write 10.88.0.0/16, or 10.88.1.0 for the one address',
    ],
    ['network_pool6', 'fe80::/64', 'overlaps fe80::/10, which cannot be routed'],
    ['network_pool6', '10.88.0.0/16', 'is no block of addresses of IPv6 such as fd00:1234::/64'],
    [
      'publish_pool',
      '20000-29999',
      'is not a range of ports and how many of it each user has, such as 20000-29999/10, or none',
    ],
    ['publish_pool', '80-29999/10', 'begins below 1024, where the services of the host are'],
    ['publish_pool', '20000-20004/10', 'has fewer ports than one user gets'],
    ['mosh_pool', '60000-60999/0', 'gives each user 0 ports: from 1 to 256'],
  ])('%s = %s: %s', (key, text, problem) => {
    expect(hostSection.schema.safeParse({ [key]: text }).error?.issues[0]?.message).toBe(problem);
  });

  test('has a share for every user that it has room for', () => {
    const pool = { first: 20_000, last: 20_029, each: 10 };
    expect([0, 1, 2, 3].map((index) => shareOf(pool, index))).toEqual([
      { first: 20_000, last: 20_009 },
      { first: 20_010, last: 20_019 },
      { first: 20_020, last: 20_029 },
      undefined,
    ]);
  });
});

describe('the network', () => {
  test('of another kind than private has nothing that belongs to a private one', () => {
    expect(networkOf('network = none\nallow_out = any:443\npublish = 80\n')).toEqual({ kind: 'none' });
    expect(networkOf('network = host\ndeny_out = any\n')).toEqual({ kind: 'host' });
  });

  test('that is private has bounds on its connections, and closes nothing more by itself', () => {
    expect(networkOf('network = private\n')).toEqual({
      kind: 'private',
      allow: [],
      deny: [],
      open: [],
      dns: 'host',
      publish: [],
      mosh: null,
      bytesIn: null,
      bytesOut: null,
      connections: 4096,
      newConnections: 1000,
      networks: [],
      strict: true,
    });
  });

  test('takes additions of later sections', () => {
    const network = networkOf(
      'network = private\nallow_out = any:443\n[user:alice]\nallow_out += any:22/tcp\nnetworks = course101\n',
    );
    expect(network).toMatchObject({ networks: ['course101'] });
    expect(network.kind === 'private' && network.allow.map(formatRule)).toEqual(['any:443', 'any:22/tcp']);
  });

  test('with another kind is refused, with the word that was probably meant', () => {
    expect(problemOf('network', 'privat')).toBe('is none of: private, none, host; did you mean private?');
    expect(problemOf('networks', 'Course')).toContain('small letters');
    expect(problemOf('dns', 'dns.example')).toBe(
      'has "dns.example", which is no address of a name server, and not host',
    );
  });
});

// Tests of what "policy check" finds wrong with private networks when it knows all users.

import { describe, expect, test } from 'vitest';
import { evaluate } from '../../../src/policy/evaluate.ts';
import type { Subject } from '../../../src/policy/expand.ts';
import { networkProblems } from '../../../src/policy/network/problems.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import { userSettings } from '../../../src/policy/parse/user-file.ts';
import type { Policy } from '../../../src/policy/policy.ts';

const person = (name: string, uid: number, groups: readonly string[] = []): Subject => ({
  name,
  uid,
  groups,
  host: 'box',
});
const [alice, bob] = [person('alice', 1000), person('bob', 1001, ['lab'])];
const everybody = [
  person('root', 0),
  person('daemon', 1),
  alice,
  bob,
  person('nobody', 65_534),
  person('gone', 1003, ['exempted']),
];

function policyOf(text: string): Policy {
  const { policy, problems } = parsePolicy(
    `[defaults]\nimage = host\nnetwork = private\n${text}\n[group:exempted]\nexempt = yes\n`,
    'p.ini',
  );
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  return policy;
}

function problemsOf(text: string, users: readonly Subject[] = everybody): string[] {
  return networkProblems(policyOf(text), users, true).map(
    ({ severity, line, message }) => `${line} ${severity}: ${message}`,
  );
}

describe('ports', () => {
  test('of everybody are of nobody, unless they are each user’s own', () => {
    expect(problemsOf('publish = 8080:80 +0:80 127.0.0.1:+1\n')).toEqual([
      '4 error: publish: 2 users would have tcp port 8080 at 127.0.0.1 of the host: alice, bob',
    ]);
    expect(problemsOf('publish = 8080:80\n', [alice])).toEqual([]);
    expect(problemsOf('mosh_ports = 60000-60003\n')).toEqual([
      '4 error: mosh_ports: 2 users would have udp ports 60000-60003 of the host: alice, bob',
    ]);
  });

  test.each([
    ['8080:80', '8080:443', 'tcp port 8080 at 127.0.0.1'],
    ['8000-8010', '8005-8020', 'tcp ports 8005-8010 at 127.0.0.1'],
    ['0.0.0.0:8080:80', '8080', 'tcp port 8080 at 127.0.0.1'],
    ['[::1]:8080/udp', '[::]:8080/udp', 'udp port 8080 at ::'],
  ])('%s of one and %s of another meet', (one, other, ports) => {
    expect(problemsOf(`[user:alice]\npublish = ${one}\n[user:bob]\npublish = ${other}\n`)).toEqual([
      `7 error: publish: ${ports} of the host would be bob's and, by p.ini:5, alice's`,
    ]);
  });

  test.each([
    ['8080', '8081'],
    ['8080', '8080/udp'],
    ['127.0.0.2:8080', '127.0.0.3:8080'],
    ['0.0.0.0:8080', '[::]:8080'],
    ['+0:80', '+0:80'],
    ['none', '8080'],
  ])('%s of one and %s of another are two things', (one, other) => {
    expect(problemsOf(`[user:alice]\npublish = ${one}\n[user:bob]\npublish = ${other}\n`)).toEqual([]);
  });

  test('of one’s own are those that the pool has', () => {
    expect(problemsOf('publish = +8-10:80\n[group:lab]\npublish += +99\n')).toEqual([
      '4 error: publish has +10, and publish_pool in [host] gives each user 10 ports, +0 to +9',
      '6 error: publish has +99, and publish_pool in [host] gives each user 10 ports, +0 to +9',
    ]);
    expect(
      problemsOf('publish = +0\nmosh_ports = pool\n[host]\npublish_pool = none\nmosh_pool = none\n'),
    ).toEqual([
      '4 error: publish has +0, and publish_pool in [host] gives each user no ports',
      '5 error: mosh_ports is pool, and mosh_pool in [host] gives each user no ports',
    ]);
  });

  test('that the pool has not refuse the login, and do not count in a user’s own file', () => {
    expect(evaluate(policyOf('publish = +10\n'), alice)).toEqual({
      kind: 'refused',
      code: 'E_POLICY_UNFIT',
      why: 'publish has +10, and publish_pool in [host] gives each user 10 ports, +0 to +9',
    });
    const { problems } = userSettings('publish = +10\n', policyOf('user_may_set = publish\n'), alice);
    expect(problems.map(({ message }) => message)).toEqual([
      'publish: publish has +10, and publish_pool in [host] gives each user 10 ports, +0 to +9',
    ]);
  });

  test('in a pool are some user’s', () => {
    expect(problemsOf('[user:alice]\npublish = 20005:80 61000/udp\n')).toEqual([
      '5 warning: publish: tcp port 20005 at 127.0.0.1 is of publish_pool, which has it for some user',
      '5 warning: publish: udp port 61000 at 127.0.0.1 is of mosh_pool, which has it for some user',
    ]);
    expect(problemsOf('[host]\npublish_pool = 20000-62000/10\n')).toEqual([
      "0 error: [host]: publish_pool and mosh_pool overlap: some ports would be two users'",
    ]);
  });
});

describe('a rule', () => {
  test('that deny_out beats never matches', () => {
    expect(
      problemsOf('allow_out = 10.1.0.0/16:80/tcp any:443\ndeny_out = 10.0.0.0/8\nopen_out = 10.213.0.0/16\n'),
    ).toEqual([
      '4 warning: allow_out: 10.1.0.0/16:80/tcp never matches: deny_out has 10.0.0.0/8 in p.ini:5',
      '6 warning: open_out: 10.213.0.0/16 never matches: deny_out has 10.0.0.0/8 in p.ini:5',
    ]);
    expect(
      problemsOf(
        'allow_out = *.example.org:443\n[group:lab]\ndeny_out = www.example.org *.example.org:1-500\n',
      ),
    ).toEqual([
      '4 warning: allow_out: *.example.org:443 never matches: deny_out has *.example.org:1-500 in p.ini:6',
    ]);
  });

  test('of which deny_out leaves something stays', () => {
    expect(
      problemsOf(
        'allow_out = 10.0.0.0/8 any:443 *.example.org\ndeny_out = 10.1.0.0/16 any:443/tcp www.example.org 10.0.0.0/8/udp\n',
      ),
    ).toEqual([]);
  });

  test('of what is closed by itself belongs in open_out', () => {
    expect(problemsOf('allow_out = 169.254.169.254:80 host:22 any\n')).toEqual([
      "4 warning: allow_out: 169.254.169.254:80 never matches: it is where clouds keep the machine's credentials, which is closed by itself",
      '4 warning: allow_out: host:22 never matches: it is an address of this host, which is closed by itself',
    ]);
    expect(problemsOf('allow_out = host:22\nopen_out = host\n')).toEqual([]);
  });
});

describe('a setting for people without a private network', () => {
  test('has no effect', () => {
    expect(problemsOf('[group:lab]\nnetwork = none\nallow_out = any:443\npublish = 8080\n')).toEqual([
      '6 warning: allow_out has no effect: nobody whom it is for has network = private',
      '7 warning: publish has no effect: nobody whom it is for has network = private',
    ]);
  });

  test('has one where one of them has such a network', () => {
    expect(problemsOf('allow_out = any:443\n[group:lab]\nnetwork = none\n')).toEqual([]);
    expect(problemsOf('[group:nobodys]\nallow_out = any:443\nnetwork = none\n')).toEqual([]);
  });
});

test('a thousand users are looked through in no time', () => {
  const many = Array.from({ length: 1000 }, (_, index) => person(`u${index}`, 1000 + index, ['lab']));
  const before = performance.now();
  expect(problemsOf('publish = 8080 +0\nallow_out = any:443 host\n', many)).toHaveLength(2);
  expect(performance.now() - before).toBeLessThan(3000);
});

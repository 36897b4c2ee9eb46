// Tests of the users whom an edit of the policy concerns.

import { expect, test } from 'vitest';
import { affectedBy, unusedSections } from '../../../src/policy/affected.ts';
import type { Subject } from '../../../src/policy/expand.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import type { Policy } from '../../../src/policy/policy.ts';

const user = (name: string, ...groups: string[]): Subject => ({ name, uid: 1000, groups, host: 'box' });
const users = [user('alice', 'lab'), user('bob', 'lab'), user('carol')];

function policyOf(text: string): Policy {
  const { policy, problems } = parsePolicy(text, 'p.ini');
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  return policy;
}

test('names who is affected by what, the same change once', () => {
  const before = policyOf('[defaults]\nimage = host\n');
  const after = policyOf(
    '[defaults]\nimage = host\n[group:lab]\nmemory = 1G\nenv.A = x\n[user:carol]\nshell = /bin/zsh\n',
  );
  expect(affectedBy(before, after, users)).toEqual([
    {
      users: ['alice', 'bob'],
      changes: [
        { key: 'memory', before: '2G', after: '1G' },
        { key: 'env.A', before: null, after: 'x' },
      ],
    },
    { users: ['carol'], changes: [{ key: 'shell', before: null, after: '/bin/zsh' }] },
  ]);
});

test('an edit that comes to the same affects nobody', () => {
  const before = policyOf('[defaults]\nimage = host\n[user:alice]\nmemory = 3G\n');
  expect(affectedBy(before, policyOf('[defaults]\nimage = host\n[user:al*]\nmemory = 3G\n'), users)).toEqual(
    [],
  );
});

test('sections that concern nobody are named, and others are not', () => {
  const policy = policyOf(
    '[defaults]\nimage = host\n[user:alice, dave]\n[user:x*]\n[user:a*]\n[group:lab, labs]\n[group:z*]\n',
  );
  const known = new Map(users.map((one) => [one.name, one]));
  expect(unusedSections(policy, known, new Set(['lab'])).map(({ line, message }) => [line, message])).toEqual(
    [
      [3, '[user:alice, dave]: this host has no user dave'],
      [4, '[user:x*]: no user of this host fits'],
      [6, '[group:lab, labs]: this host has no group labs'],
      [7, '[group:z*]: no group of this host fits'],
    ],
  );
});

// Tests of which limits a policy sets for anybody.

import { expect, it } from 'vitest';
import { setsLimit } from '../../../src/daemon/policy/policy-limits.ts';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';

const sets = (text: string): boolean => {
  const { policy } = parsePolicy(text, 'p.ini');
  if (policy === undefined) throw new Error(text);
  return setsLimit(policy, 'memory');
};

it('a limit is set unless what holds for everybody takes it away, and nothing above gives it again', () => {
  expect(sets('[defaults]\nimage = host\n')).toBe(true); // built in
  expect(sets('[defaults]\nmemory = none\n')).toBe(false);
  expect(sets('[defaults]\nmemory = 1G\n[user:*]\nmemory = none\n')).toBe(false);
  expect(sets('[group:lab]\nmemory = 1G\n[user:**]\nmemory = none\n')).toBe(false);
  expect(sets('[user:*]\nmemory = none\n[user:ada]\nmemory = 1G\n')).toBe(true);
  expect(sets('[user:*]\nmemory = none\n[user:a*]\nmemory = 1G\n')).toBe(true);
  expect(sets('[user:a*]\nmemory = none\n')).toBe(true);
  expect(sets('[user:*, ada]\nmemory = none\n')).toBe(true); // the built-in one is still for nobody, but that is not looked for
  expect(sets('[defaults]\nmemory = none\n[image:lab/*]\nmemory = 1G\n')).toBe(true);
});

// Programs that stand in place of those that can do nothing inside, and the machine-id of each user.

import { expect, test } from 'vitest';
import { programsInstead } from '../../../src/users/identity/instead.ts';
import { derivedId } from '../../../src/users/identity/machine-id.ts';

test('only what the host has, where the image shows it', () => {
  const has = (file: string): boolean => ['/usr/bin/sudo', '/bin/su'].includes(file);
  const usr = { source: '/usr', target: '/usr' };
  const bin = { source: '/bin', target: '/bin' };
  expect(programsInstead([usr, bin], has).map(({ path }) => path)).toEqual(['usr/bin/sudo', 'bin/su']);
  expect(programsInstead([usr], has).map(({ path }) => path)).toEqual(['usr/bin/sudo']);
  expect(programsInstead([], () => true)).toEqual([]);
  for (const { text } of programsInstead([usr], () => true)) {
    expect(text).toMatch(/^#!\/bin\/sh\n# .*\necho '[^']*\.' >&2\nexit 1\n$/);
  }
});

test('a machine-id is one of its user and host', () => {
  const ids = [
    derivedId('a', 1, 'ada'),
    derivedId('b', 1, 'ada'),
    derivedId('a', 2, 'ada'),
    derivedId('a', 1, 'eve'),
  ];
  expect(new Set(ids).size).toBe(4);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  expect(derivedId('a', 1, 'ada')).toBe(ids[0]);
});

// Tests of what is an absolute path.

import { expect, test } from 'vitest';
import { AbsolutePath, below, resolved } from '../../../../src/lib/values/absolute-path.ts';

test.each(['/', '/a', '/a b/ü\n', `/${'a'.repeat(4095)}`])('%j is an absolute path', (text) => {
  expect(AbsolutePath.parse(text)).toBe(text);
});

test.each(['', 'a', './a', '~/a', ' /a', '/a\0b', `/${'a'.repeat(4096)}`])('%j is none', (text) => {
  expect(AbsolutePath.safeParse(text).success).toBe(false);
});

test('what is named is looked for from here', () => {
  expect(resolved('x/../y')).toBe(`${process.cwd()}/y`);
  expect(below(resolved('/state'), 'users', '1000')).toBe('/state/users/1000');
});

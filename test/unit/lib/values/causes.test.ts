// The two sides of native/supervisor/cause.h.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { causeOf, causes } from '../../../../src/lib/values/causes.ts';

test('both sides have the same numbers', () => {
  const text = readFileSync(
    path.resolve(import.meta.dirname, '../../../../native/supervisor/cause.h'),
    'utf8',
  );
  const header = [...text.matchAll(/^ {4}CAUSE_([A-Z_]+) = (\d+),/gm)];
  const theirs = header.map(([, name = '', number]) => [
    name.toLowerCase().replaceAll('_', '-'),
    Number(number),
  ]);
  const ours = Object.entries(causes).flatMap(([name, cause]) =>
    'number' in cause ? [[name, cause.number]] : [],
  );
  expect(theirs).toEqual([['none', 0], ...ours]);
  for (const [name, number] of ours) expect(causeOf(Number(number))).toBe(name);
  expect(causeOf(0)).toBeUndefined();
  expect(causeOf(undefined)).toBeUndefined();
});

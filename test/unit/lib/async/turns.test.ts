// Tests of serving things in turns of their owners.

import { expect, test } from 'vitest';
import { Turns } from '../../../../src/lib/async/turns.ts';

test('whoever has many waits behind whoever has few, and nothing is lost', () => {
  const turns = new Turns<string, string>();
  for (const thing of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) turns.add(thing.slice(0, 1), thing);
  expect([turns.next(), turns.next()]).toEqual(['a1', 'b1']);
  turns.add('b', 'b2');
  const rest = Array.from({ length: 6 }, () => turns.next());
  expect(rest).toEqual(['c1', 'a2', 'b2', 'c2', 'a3', undefined]);
  turns.add('a', 'a4');
  expect(turns.next()).toBe('a4');
});

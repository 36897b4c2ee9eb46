// Counts of what goes on for each of many.

import { expect, test } from 'vitest';
import { Counts } from '../../../../src/lib/async/counts.ts';

test('counts each by itself, and all of them', () => {
  const counts = new Counts<string>();
  const removeOne = counts.add('one');
  counts.add('one');
  const removeOther = counts.add('other');
  expect([counts.of('one'), counts.of('other'), counts.of('none'), counts.total]).toEqual([2, 1, 0, 3]);
  removeOne();
  removeOther();
  expect([counts.of('one'), counts.of('other'), counts.total]).toEqual([1, 0, 1]);
});

test('takes back once what was added', () => {
  const counts = new Counts<string>();
  const remove = counts.add('one');
  counts.add('one');
  remove();
  remove();
  expect([counts.of('one'), counts.total]).toEqual([1, 1]);
});

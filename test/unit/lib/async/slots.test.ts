// Tests of admitting a number of things at a time.

import { expect, test } from 'vitest';
import { Slots } from '../../../../src/lib/async/slots.ts';

test('no more at a time than there are slots, in order, and a failure gives its slot back', async () => {
  const slots = new Slots(2);
  const begun: number[] = [];
  const ends: PromiseWithResolvers<number>[] = [];
  const all = [0, 1, 2, 3].map((index) => {
    const end = Promise.withResolvers<number>();
    ends.push(end);
    return slots.run(async () => {
      begun.push(index);
      return await end.promise;
    });
  });
  const settled = Promise.allSettled(all);
  await Promise.resolve();
  expect(begun).toEqual([0, 1]);
  ends[1]?.reject(new Error('no'));
  await expect(all[1]).rejects.toThrow('no');
  expect(begun).toEqual([0, 1, 2]);
  for (const [index, end] of ends.entries()) end.resolve(index);
  await settled;
  expect(begun).toEqual([0, 1, 2, 3]);
  expect(await slots.run(async () => await Promise.resolve('free'))).toBe('free');
});

test('what never ends keeps its slot alone', async () => {
  const slots = new Slots(2);
  void slots.run(async () => await new Promise(() => undefined));
  for (const index of [1, 2, 3])
    expect(await slots.run(async () => await Promise.resolve(index))).toBe(index);
});

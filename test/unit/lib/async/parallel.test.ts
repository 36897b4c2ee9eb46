// Tests of running a few things at a time.

import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { inParallel } from '../../../../src/lib/async/parallel.ts';

test('no more at once than the limit, and the results in the order of the items', async () => {
  let running = 0;
  let most = 0;
  const squares = await inParallel([5, 4, 3, 2, 1], 2, undefined, async (number) => {
    most = Math.max(most, ++running);
    for (let turn = 0; turn < number; turn += 1) await setImmediate();
    running -= 1;
    return number * number;
  });
  expect(squares).toEqual([25, 16, 9, 4, 1]);
  expect(most).toBe(2);
});

test('the first failure stops the others, and is reported when nothing runs any more', async () => {
  const begun: number[] = [];
  let running = 0;
  const all = inParallel([0, 1, 2, 3], 2, undefined, async (number, signal) => {
    begun.push(number);
    running += 1;
    if (number === 0) {
      running -= 1;
      throw new Error('first');
    }
    while (!signal.aborted) await setImmediate();
    running -= 1;
    throw new Error('second');
  });
  await expect(all).rejects.toThrow('first');
  expect(begun).toEqual([0, 1]);
  expect(running).toBe(0);
});

test('an aborted signal ends it with its reason, though every piece of work was done', async () => {
  const abort = new AbortController();
  const all = inParallel(['only'], 2, abort.signal, async () => {
    abort.abort(new Error('enough'));
    return await Promise.resolve('done');
  });
  await expect(all).rejects.toThrow('enough');
});

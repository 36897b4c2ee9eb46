// Folds what happens often: the first at once, others by a count, however many things it is about.

import { expect, onTestFinished, test } from 'vitest';
import { Fold } from '../../../../src/daemon/audit/fold.ts';
import { Uid } from '../../../../src/lib/values/uid.ts';

const uid = Uid.parse(1000);
const to = (address: string, count = 1) => ({ uid, user: 'ada', protocol: 'tcp', address, port: 25, count });

function folding(): { readonly fold: Fold<ReturnType<typeof to>>; readonly lines: object[] } {
  const lines: object[] = [];
  const fold = new Fold<ReturnType<typeof to>>(
    ({ address }) => address,
    (line) => lines.push(line),
  );
  onTestFinished(() => fold[Symbol.dispose]());
  return { fold, lines };
}

test('the first of a destination is said at once, what follows in a minute by its count', () => {
  const { fold, lines } = folding();
  fold.add(to('192.0.2.1', 3), 0);
  expect(lines).toEqual([to('192.0.2.1', 3)]);
  for (let at = 1; at < 50; at += 1) fold.add(to('192.0.2.1', 2), at * 1000);
  fold.flush(59_000);
  expect(lines).toHaveLength(1);
  fold.flush(60_000);
  expect(lines).toEqual([to('192.0.2.1', 3), to('192.0.2.1', 98)]);
  fold.add(to('192.0.2.1'), 61_000);
  expect(lines).toHaveLength(3);
});

test('a sweep of addresses has lines for 64, and one for all others', () => {
  const { fold, lines } = folding();
  for (let number = 0; number < 1000; number += 1) fold.add(to(`10.0.${number >> 8}.${number & 255}`), 0);
  expect(lines).toHaveLength(65);
  expect(lines.at(-1)).toEqual({ uid, user: 'ada', count: 1 });
  fold.flush(60_000);
  expect(lines.at(-1)).toEqual({ uid, user: 'ada', count: 935 });
});

test('what has not been said is said when the daemon ends', () => {
  const { fold, lines } = folding();
  fold.add(to('2001:db8::1'), 0);
  fold.add(to('2001:db8::1', 5), 0);
  fold[Symbol.dispose]();
  expect(lines.at(-1)).toEqual(to('2001:db8::1', 5));
});

// Tests of what is a uid.

import { expect, test } from 'vitest';
import { Uid, uidIn } from '../../../../src/lib/values/uid.ts';

test.each([0, 1000, 4_294_967_294])('%i is a uid', (number) => {
  expect(Uid.parse(number)).toBe(number);
  expect(uidIn(String(number))).toBe(number);
});

test.each([-1, 1.5, 4_294_967_295, 2 ** 53, Number.NaN])('%d is none', (number) => {
  expect(Uid.safeParse(number).success).toBe(false);
  expect(uidIn(String(number))).toBeUndefined();
});

test.each(['', ' 1', '1 ', '+1', '0x10', '1e3', '1000.json', 'ada', '٣'])('%j holds none', (text) => {
  expect(uidIn(text)).toBeUndefined();
});

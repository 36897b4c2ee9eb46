// Tests of the bounds on JSON that others wrote.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseBoundedJson } from '../../../src/lib/bounded-json.ts';

const parse = (text: string): unknown => parseBoundedJson(Buffer.from(text));

it('what it takes, it takes as JSON.parse does', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
  );
  expect(parse(`{"a\\\\":"[[[\\"{,","\\"":[]}`)).toEqual({ 'a\\': '[[["{,', '"': [] });
});

it.each([
  ['many values', `[${'0,'.repeat(200_000)}0]`, /more than 100000 values/],
  ['many folders', `[${'{},'.repeat(60_000)}0]`, /more than 100000 values/],
  ['deep nesting', '['.repeat(2_000_000), /nested more than 100 deep/],
  ['a string without an end', `["${'\\"'.repeat(500_000)}`, /JSON/],
  ['what is no JSON', ']]]]{', /JSON/],
])('%s', (_what, text, why) => {
  expect(() => parse(text)).toThrow(SyntaxError);
  expect(() => parse(text)).toThrow(why);
});

it('brackets in strings count nothing', () => {
  expect(parse(JSON.stringify(['[{,'.repeat(100_000)]))).toEqual(['[{,'.repeat(100_000)]);
});

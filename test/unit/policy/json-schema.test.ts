// Tests of the policy as JSON Schema.

import { expect, test } from 'vitest';
import * as z from 'zod';
import { policyJsonSchema } from '../../../src/policy/json-schema.ts';
import { describePolicyKey, policyKeys } from '../../../src/policy/schema.ts';
import { someTexts } from './key-samples.ts';

const schema = z.fromJSONSchema(policyJsonSchema());

test.each(policyKeys)('%s is described, and takes what the policy takes', (key) => {
  for (const text of [...someTexts[key], describePolicyKey(key).example])
    expect(
      schema.safeParse({ defaults: { [key]: text }, 'user:a, b*': { [key]: text } }).error,
    ).toBeUndefined();
});

test('what is not known is refused', () => {
  for (const wrong of [
    { default: {} },
    { defaults: { memroy: '1G' } },
    { defaults: { memory: 5 } },
    { defaults: { home: 'nowhere' } },
    { images: { memory: '1G' } },
    { 'user:': {} },
    { 'users:a': {} },
    { defaults: { 'env.1': 'x' } },
  ])
    expect(schema.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
  expect(schema.safeParse({ host: { sandboxes: '5' }, 'group:x': { 'env.A': 'b' } }).success).toBe(true);
});

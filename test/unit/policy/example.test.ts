// Tests of the example policy.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parsePolicy } from '../../../src/policy/parse/parse.ts';
import {
  builtinDefaults,
  describePolicyKey,
  gatewaySection,
  hostSection,
  imagesSection,
  policyKeys,
} from '../../../src/policy/schema.ts';

const example = readFileSync(new URL('../../../etc/dockersh.ini.example', import.meta.url), 'utf8');

/** `key = value` and `#key = value` of a section by key. */
function settings(section: string): Map<string, string> {
  const text = example.split(`[${section}]\n`)[1]?.split(/^#?\[/m)[0] ?? '';
  const found = [...text.matchAll(/^#?([a-z_0-9]+) = (.*)$/gm)];
  expect(new Set(found.map(([, key]) => key)).size).toBe(found.length);
  return new Map(found.map(([, key = '', value = '']) => [key, value]));
}

test('the example is valid as it is', () => {
  const { policy, problems } = parsePolicy(example, 'example');
  expect(problems).toEqual([]);
  expect(policy?.defaults[0]?.values).toEqual({ image: 'host' });
});

test('the example is valid with every setting in use, and then means the defaults', () => {
  const text = example.replace(/^#(?=[a-z_0-9]+ = |\[)/gm, '');
  const { policy, problems } = parsePolicy(text, 'example');
  expect(problems).toEqual([]);
  const without = policyKeys.filter((key) => describePolicyKey(key).defaultText === undefined);
  const values = Object.entries(policy?.defaults[0]?.values ?? {});
  expect(Object.fromEntries(values.filter(([key]) => !without.some((one) => one === key)))).toEqual(
    builtinDefaults(),
  );
  expect(policy?.users.get('alice')?.[0]?.values.memory).toBe(8 * 1024 ** 3);
  expect(policy?.images).toEqual(parsePolicy('', 'p').policy?.images);
});

test.each([
  ['defaults', policyKeys.map((key) => [key, describePolicyKey(key).defaultText] as const)],
  ['host', hostSection.keys.map((key) => [key, hostSection.describe(key).defaultText] as const)],
  ['gateway', gatewaySection.keys.map((key) => [key, gatewaySection.describe(key).defaultText] as const)],
  ['images', imagesSection.keys.map((key) => [key, imagesSection.describe(key).defaultText] as const)],
] as const)('the example documents exactly the keys of [%s], with their defaults', (section, keys) => {
  const found = settings(section);
  expect([...found.keys()].sort()).toEqual(keys.map(([key]) => key).sort());
  for (const [key, fallback] of keys) {
    if (fallback !== undefined) expect(found.get(key), key).toBe(fallback);
  }
});

test.each(policyKeys)('the reference example of %s is valid and not the default', (key) => {
  const { example: value, defaultText } = describePolicyKey(key);
  const quoted = /[;#]/.test(value) ? JSON.stringify(value) : value;
  const text = `[defaults]\nimage = host\n[user:a]\n${key} = ${quoted}\n`;
  expect(parsePolicy(text, 'p').problems).toEqual([]);
  expect(value).not.toBe(defaultText);
});

test.each(imagesSection.keys)(
  'the reference example of %s in [images] is valid and not the default',
  (key) => {
    const { example: value, defaultText } = imagesSection.describe(key);
    expect(parsePolicy(`[defaults]\nimage = host\n[images]\n${key} = ${value}\n`, 'p').problems).toEqual([]);
    expect(value).not.toBe(defaultText);
  },
);

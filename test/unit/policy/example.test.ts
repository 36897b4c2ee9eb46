import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { builtinDefaults, describePolicyKey, isPolicyKey, policyKeys } from '../../../src/policy/schema.ts';

const example = readFileSync(new URL('../../../etc/dockersh.ini.example', import.meta.url), 'utf8');

/** `key = value` and `#key = value` of [defaults] by key. */
function settings(): Map<string, string> {
  const defaults = example.split('#[user:')[0] ?? '';
  const found = [...defaults.matchAll(/^#?([a-z_]+) = (.*)$/gm)];
  expect(new Set(found.map(([, key]) => key)).size).toBe(found.length);
  return new Map(found.map(([, key = '', value = '']) => [key, value]));
}

test('the example is valid as it is', () => {
  const { policy, problems } = parsePolicy(example, 'example');
  expect(problems).toEqual([]);
  expect(policy?.defaults?.values).toEqual({ image: 'host' });
});

test('the example is valid with every setting in use, and then means the defaults', () => {
  const text = example.replace(/^#(?=[a-z_]+ = |\[)/gm, '');
  const { policy, problems } = parsePolicy(text, 'example');
  expect(problems).toEqual([]);
  const { image: _image, shell: _shell, ...values } = policy?.defaults?.values ?? {};
  expect(values).toEqual(builtinDefaults());
  expect(policy?.users.get('alice')?.values.memory).toBe(8 * 1024 ** 3);
});

test('the example documents exactly the keys of the schema, with their defaults', () => {
  const found = settings();
  expect([...found.keys()].sort()).toEqual([...policyKeys].sort());
  for (const [key, value] of found) {
    const fallback = isPolicyKey(key) ? describePolicyKey(key).defaultText : undefined;
    if (fallback !== undefined) expect(value, key).toBe(fallback);
  }
});

test.each(policyKeys)('the reference example of %s is valid and not the default', (key) => {
  const { example: value, defaultText } = describePolicyKey(key);
  const text = `[defaults]\nimage = host\n[user:a]\n${key} = ${value}\n`;
  expect(parsePolicy(text, 'p').problems).toEqual([]);
  expect(value).not.toBe(defaultText);
});

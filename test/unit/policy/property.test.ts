// Random policies: explain and evaluate agree on the winner, and every text that the schema accepts comes out of a
// file as it went in.

import { expect, test } from 'vitest';
import { evaluate } from '../../../src/policy/evaluate.ts';
import type { Subject } from '../../../src/policy/expand.ts';
import { explain } from '../../../src/policy/explain.ts';
import { assemble } from '../../../src/policy/parse/assemble.ts';
import { parseFile } from '../../../src/policy/parse/file.ts';
import type { EffectivePolicy, Policy } from '../../../src/policy/policy.ts';
import { builtinTexts, checkPolicyValue, describePolicyKey, policyKeys } from '../../../src/policy/schema.ts';
import { seeded } from '../lib/seeded.ts';
import { someTexts, valueIn } from './key-samples.ts';

const networkKeys = policyKeys.slice(policyKeys.indexOf('allow_out'), policyKeys.indexOf('networks') + 1);

const names = ['alice', 'bob', 'j.doe', 'LAB\\jdoe', 'müller'];
const groups = ['lab', 'gpu', 'domain users'];

function randomPolicy(seed: number): { policy: Policy; subject: Subject } {
  const random = seeded(seed);
  const headers = [
    'defaults',
    ...names.map((name) => `user:${name}`),
    ...groups.map((group) => `group:${group}`),
    'user:*',
    'user:[a-k]*, LAB*',
    'group:*a*, nobody',
    'image:host',
    'image:*',
  ];
  const line = (): string => {
    const key = random.pick(policyKeys);
    const append = describePolicyKey(key).list === true && random.below(2) === 0 ? '+=' : '=';
    return `${key} ${append} ${quoted(random.pick(someTexts[key]))}`;
  };
  const section = (): string => {
    const lines = new Map<string, string>();
    for (let n = random.below(8); n >= 0; n -= 1) {
      const text = random.below(4) === 0 ? `env.V${random.below(3)} = ${random.below(100)}` : line();
      lines.set(text.split(' ')[0] ?? '', text);
    }
    const header = random.pick(headers);
    if (header.startsWith('image:')) lines.delete('image');
    return `[${header}]\n${[...lines.values()].join('\n')}\n`;
  };
  const files = Array.from({ length: 1 + random.below(3) }, (_, file) => {
    const sections = new Map<string, string>();
    for (let n = random.below(10); n >= 0; n -= 1) {
      const text = section();
      sections.set(text.split('\n')[0] ?? '', text);
    }
    return parseFile([...sections.values()].join('\n'), `${file}.ini`);
  });
  const { policy, problems } = assemble(files, '0.ini');
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  const subject: Subject = {
    name: random.pick(names),
    uid: 1000,
    group: 'lab',
    groups: groups.filter(() => random.below(2) === 0),
    home: '/home/x',
    host: 'box',
  };
  return { policy, subject };
}

const quoted = (text: string): string => (/[;#"']/.test(text) ? JSON.stringify(text) : text);

test("explain's winner is what evaluate gives", () => {
  let compared = 0;
  for (let seed = 0; seed < 500; seed += 1) {
    const { policy, subject } = randomPolicy(seed);
    const evaluation = evaluate(policy, subject);
    const keys = new Map(explain(policy, subject).map((entry) => [entry.key, entry]));
    if (evaluation.kind === 'refused') {
      const problems = [...keys.values()].some(({ problem }) => problem !== undefined);
      expect(problems || keys.get('image')?.value === null, `seed ${seed}`).toBe(true);
      continue;
    }
    const effective: EffectivePolicy = evaluation.policy;
    for (const key of policyKeys) {
      const text = keys.get(key)?.value;
      // Who is exempt needs no image: what stands there is never started.
      if (key === 'image' && text === null && effective.exempt === 'yes') continue;
      const checked = text === undefined || text === null ? undefined : checkPolicyValue(key, text);
      const value = checked?.ok === true ? checked.value : undefined;
      const wanted = key === 'strict' ? value === 'yes' : value;
      const isPartOfAnother = effective.network.kind !== 'private' && networkKeys.includes(key);
      if (!isPartOfAnother && key !== 'publish' && key !== 'publish_address')
        expect(valueIn(effective, key), `seed ${seed}, ${key}`).toEqual(wanted);
      const winner = keys.get(key)?.from.at(-1);
      expect(winner?.text ?? null, `seed ${seed}, ${key}`).toBe(winner === undefined ? null : winner.text);
      if (winner?.file === undefined) expect(text ?? undefined).toBe(builtinTexts[key]);
      compared += 1;
    }
    const variables = [...keys.values()].filter(({ key }) => key.startsWith('env.'));
    expect(variables.map(({ key, value }) => `${key.slice(4)}=${value}`)).toEqual([...effective.env].sort());
  }
  expect(compared).toBeGreaterThan(1000);
});

test.each(policyKeys)('every text of %s that the schema accepts survives the file', (key) => {
  for (const text of [...someTexts[key], describePolicyKey(key).example]) {
    const file = parseFile(`[defaults]\n${key} = ${quoted(text)}\n`, 'p.ini');
    expect(file.problems, text).toEqual([]);
    expect(file.sections[0]?.section.settings.get(key)?.text).toBe(text);
  }
});

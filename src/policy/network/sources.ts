// Finds the network that a user is given, and the line that says each rule, in what the policy explains. Pure.

import { formatRule, type Network, type NetworkRule } from '../../lib/network/network.ts';
import type { Explanation } from '../explain.ts';
import { builtinDefaults, checkPolicyValue, isPolicyKey, type PolicySection } from '../schema.ts';
import { ruleOf, wordsOf } from '../values/network.ts';
import type { RuleKey } from './answer.ts';
import { networkOf } from './network-of.ts';

/** Undefined where a value cannot be used. */
export function explainedNetwork(keys: readonly Pick<Explanation, 'key' | 'value'>[]): Network | undefined {
  const values: PolicySection = builtinDefaults();
  for (const { key, value } of keys) {
    if (!isPolicyKey(key) || value === null) continue;
    const checked = checkPolicyValue(key, value);
    if (!checked.ok) return undefined;
    Object.assign(values, { [key]: checked.value });
  }
  return networkOf(values);
}

/** The rule as it stands in the file, and the place; undefined where nothing that is known says it. */
export function sourceOfRule<Where extends { readonly text: string }>(
  keys: readonly { readonly key: string; readonly from: readonly Where[] }[],
  key: RuleKey,
  rule: NetworkRule,
): { readonly written: string; readonly source: Where } | undefined {
  const wanted = formatRule(rule);
  const isIt = (word: string): boolean => {
    const parsed = ruleOf(word);
    return parsed.ok && formatRule(parsed.value) === wanted;
  };
  for (const source of keys.find((one) => one.key === key)?.from ?? []) {
    const written = wordsOf(source.text).find(isIt);
    if (written !== undefined) return { written, source };
  }
  return undefined;
}

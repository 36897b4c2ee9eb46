// Explains why a user gets what they get: every key with its value, who said so, and who was overruled. Pure. It goes
// its own way from the sections to the values, so that a test can hold it against evaluate.ts.

import { dependentValue } from './evaluate.ts';
import type { Subject } from './expand.ts';
import { variablePrefix } from './parse/section.ts';
import type { Policy, SectionPolicy, Setting } from './policy.ts';
import { joined, sectionsInOrder, textOf } from './precedence.ts';
import { builtinTexts, type PolicyKey, policyKeys } from './schema.ts';

/** Where a text was written; without file and section: nowhere, it is the built-in default. */
export interface Source {
  readonly text: string;
  readonly file?: string;
  readonly line?: number;
  readonly section?: string;
}

export interface Explanation {
  readonly key: string;
  /** As it would be written with everything expanded; null: not set. */
  readonly value: string | null;
  /** Who says so; more than one where "+=" has added to a list. */
  readonly from: readonly Source[];
  /** Who said otherwise, the last one first. */
  readonly overrode: readonly Source[];
  /** Why the value can't be used for this user. */
  readonly problem?: string;
}

export function explain(policy: Policy, subject: Subject, own: readonly SectionPolicy[] = []): Explanation[] {
  const sections = sectionsInOrder(policy, subject, own);
  const variables = new Set(sections.flatMap(({ env }) => [...env.keys()]));
  return [
    ...policyKeys.map((key) => explainKey(sections, key, subject)),
    ...[...variables].sort().map((name) => explainVariable(sections, name)),
  ];
}

/** The same for some keys alone. */
export function explainKeys(policy: Policy, subject: Subject, keys: readonly PolicyKey[]): Explanation[] {
  const sections = sectionsInOrder(policy, subject);
  return keys.map((key) => explainKey(sections, key, subject));
}

/** The value of every key that has one, and of env.NAME. For comparing two policies. */
export function texts(
  policy: Policy,
  subject: Subject,
  own: readonly SectionPolicy[] = [],
): Map<string, string> {
  const sections = sectionsInOrder(policy, subject, own);
  const found = new Map<string, string>();
  for (const key of policyKeys) {
    const text = textOf(sections, key, subject);
    if (text !== undefined) found.set(key, text.ok ? text.text : `(${text.problem})`);
  }
  for (const { env } of sections) for (const [name, { text }] of env) found.set(variablePrefix + name, text);
  return found;
}

type Said = { readonly setting: Setting; readonly section: string };

function explainKey(sections: readonly SectionPolicy[], key: PolicyKey, subject: Subject): Explanation {
  const said = sections.flatMap(({ name, settings }): Said[] => {
    const setting = settings.get(key);
    return setting === undefined ? [] : [{ setting, section: name }];
  });
  const builtin = builtinTexts[key];
  const lastPlain = said.findLastIndex(({ setting }) => !setting.append);
  const all = [...(builtin === undefined ? [] : [{ text: builtin }]), ...said.map(sourceOf)];
  const start = all.length - said.length + lastPlain;
  // An addition to "none" adds to nothing: the default is then no part of the value.
  const nothing = start < all.length - said.length && builtin === 'none' && said.length > 0;
  const first = Math.max(0, nothing ? start + 1 : start);
  const { value, problem } = valueFor(sections, key, subject, said);
  return {
    key,
    value,
    from: all.slice(first),
    overrode: all.slice(0, first).toReversed(),
    ...(problem === undefined ? {} : { problem }),
  };
}

function valueFor(
  sections: readonly SectionPolicy[],
  key: PolicyKey,
  subject: Subject,
  said: readonly Said[],
): { value: string | null; problem?: string } {
  const written = said.map(({ setting }) => setting).reduce<string | undefined>(joined, builtinTexts[key]);
  if (written === undefined) return { value: null };
  const text = textOf(sections, key, subject);
  const checked = dependentValue(sections, key, subject);
  return {
    value: text?.ok === true ? text.text : written,
    ...(checked.ok ? {} : { problem: checked.problem }),
  };
}

function explainVariable(sections: readonly SectionPolicy[], name: string): Explanation {
  const said = sections
    .flatMap(({ name: section, env }): Source[] => {
      const setting = env.get(name);
      return setting === undefined ? [] : [sourceOf({ setting, section })];
    })
    .toReversed();
  const [winner, ...overrode] = said;
  const from = winner === undefined ? [] : [winner];
  return { key: variablePrefix + name, value: winner?.text ?? null, from, overrode };
}

function sourceOf({ setting: { text, file, line }, section }: Said): Source {
  return { text, file, line, section };
}

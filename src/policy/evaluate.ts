// Works out one user's effective policy. Pure; remembered by its caller, so its own speed matters little.

import { hostImageName } from '../lib/text/image-name.ts';
import { limitsSet } from '../limits/limits.ts';
import { effective } from './effective.ts';
import type { Subject } from './expand.ts';
import { ownPortsFault } from './network/own-ports.ts';
import type { Evaluation, Policy, SectionPolicy } from './policy.ts';
import { sectionsInOrder, textOf } from './precedence.ts';
import { checkPolicyValue, type PolicyKey, type PolicySection } from './schema.ts';

/** What all variables of the policy may take together: the rest of a session's message is the login's. */
const longestEnvironment = 16 * 1024;

export type Values =
  | { readonly ok: true; readonly values: PolicySection; readonly env: ReadonlyMap<string, string> }
  | { readonly ok: false; readonly why: string };

/** The values of all keys, and the variables. */
export function valuesOf(policy: Policy, subject: Subject, own: readonly SectionPolicy[] = []): Values {
  const sections = sectionsInOrder(policy, subject, own);
  const values: PolicySection = { ...policy.builtin };
  const dependent = new Set<PolicyKey>();
  const env = new Map<string, string>();
  for (const section of sections) {
    Object.assign(values, section.values);
    for (const key of section.dependent) dependent.add(key);
    for (const [name, { text }] of section.env) env.set(name, `${name}=${text}`);
  }
  for (const key of dependent) {
    const value = dependentValue(sections, key, subject);
    if (!value.ok) return { ok: false, why: `${key} ${value.problem}` };
    Object.assign(values, { [key]: value.value });
  }
  return { ok: true, values, env };
}

export function evaluate(policy: Policy, subject: Subject, own: readonly SectionPolicy[] = []): Evaluation {
  const found = valuesOf(policy, subject, own);
  if (!found.ok) return unfit(found.why);
  const { values, env } = found;
  // Who is exempt needs none: nothing is started from it.
  const image = values.image ?? (values.exempt === 'yes' ? hostImageName : undefined);
  if (image === undefined)
    return { kind: 'refused', code: 'E_NO_POLICY', why: `the policy names no image for ${subject.name}` };
  const environment = [...env.values()];
  if (environment.reduce((bytes, entry) => bytes + Buffer.byteLength(entry), 0) > longestEnvironment)
    return unfit(`the variables (env.NAME) take more than ${longestEnvironment} bytes`);
  const fault = values.network === 'private' ? ownPortsFault(values, policy.host) : undefined;
  if (fault !== undefined) return unfit(fault);
  return { kind: 'ok', policy: effective(values, image, environment) };
}

/** Values that differ from user to user were accepted for a sample; here they may turn out not to fit. */
export function dependentValue(
  sections: readonly SectionPolicy[],
  key: PolicyKey,
  subject: Subject,
): ReturnType<typeof checkPolicyValue> {
  const text = textOf(sections, key, subject);
  if (text === undefined || !text.ok) return { ok: false, problem: text?.problem ?? 'is not set' };
  const checked = checkPolicyValue(key, text.text);
  return checked.ok ? checked : { ok: false, problem: `comes to "${text.text}", which ${checked.problem}` };
}

const unfit = (why: string): Evaluation => ({ kind: 'refused', code: 'E_POLICY_UNFIT', why });

/** The limits that somebody gets: keys by what has to hold them. None, where the policy gives nothing. */
export function limitsGiven(evaluation: Evaluation | undefined): Map<string, Set<string>> {
  const given = new Map<string, Set<string>>();
  if (evaluation?.kind !== 'ok') return given;
  for (const { key, controller } of limitsSet(evaluation.policy))
    given.set(controller, (given.get(controller) ?? new Set()).add(key));
  return given;
}

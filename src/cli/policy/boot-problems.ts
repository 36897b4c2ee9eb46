// Finds sandboxes that are started with the host and soon end again: for "policy check". Pure.

import { evaluate } from '../../policy/evaluate.ts';
import type { Subject } from '../../policy/expand.ts';
import { explainKeys } from '../../policy/explain.ts';
import { Problems } from '../../policy/network/places.ts';
import type { Policy } from '../../policy/policy.ts';
import type { Problem } from '../../policy/problem.ts';

export function bootProblems(policy: Policy, users: Iterable<Subject>): Problem[] {
  const problems = new Problems();
  for (const user of users) {
    const evaluation = evaluate(policy, user);
    if (evaluation.kind !== 'ok' || evaluation.policy.boot !== 'yes') continue;
    if (evaluation.policy.lingerMs === Number.POSITIVE_INFINITY) continue;
    const [place] = explainKeys(policy, user, ['boot'])[0]?.from ?? [];
    if (place?.file === undefined || place.line === undefined) continue;
    const message = 'boot = yes starts a sandbox that ends again when "linger" is over';
    problems.add('warning', { file: place.file, line: place.line }, message, 'set linger = forever with it');
  }
  return problems.all;
}

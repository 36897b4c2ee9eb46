// Finds what is wrong with private networks in a policy that is right line by line: for "policy check". Pure.

import type { Subject } from '../expand.ts';
import type { Policy } from '../policy.ts';
import type { Problem } from '../problem.ts';
import { givenTo, Problems } from './places.ts';
import { findPortProblems } from './port-problems.ts';
import { findIdleRules, findIdleSettings } from './rule-problems.ts';

/** `complete`: the users are all that there are. */
export function networkProblems(policy: Policy, users: Iterable<Subject>, complete: boolean): Problem[] {
  const problems = new Problems();
  const given = givenTo(
    policy,
    [...users].filter(({ uid }) => uid !== 0),
  );
  findPortProblems(policy, given, problems);
  findIdleRules(given, problems);
  if (complete) findIdleSettings(policy, given, problems);
  return problems.all;
}

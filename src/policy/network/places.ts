// Says for all users at once what lines of a policy give which network, so that problems can name the lines. Pure.

import type { PrivateNetwork } from '../../lib/network/network.ts';
import { evaluate } from '../evaluate.ts';
import type { Subject } from '../expand.ts';
import { type Explanation, explainKeys } from '../explain.ts';
import type { Place, Policy } from '../policy.ts';
import type { Problem } from '../problem.ts';

export const networkOnlyKeys = [
  'allow_out',
  'deny_out',
  'open_out',
  'dns',
  'publish',
  'publish_address',
  'mosh_ports',
  'bandwidth_in',
  'bandwidth_out',
  'connections',
  'new_connections',
  'networks',
] as const;

/** What a user gets who gets a sandbox; `network`: where it is private. */
export interface Given {
  readonly user: Subject;
  readonly network: PrivateNetwork | undefined;
  readonly keys: readonly Explanation[];
}

export function givenTo(policy: Policy, users: Iterable<Subject>): Given[] {
  const all: Given[] = [];
  for (const user of users) {
    const evaluation = evaluate(policy, user);
    if (evaluation.kind !== 'ok' || evaluation.policy.exempt === 'yes') continue;
    const { network } = evaluation.policy;
    all.push({
      user,
      network: network.kind === 'private' ? network : undefined,
      keys: explainKeys(policy, user, networkOnlyKeys),
    });
  }
  return all;
}

/** Collects problems; the same one of many users is one. */
export class Problems {
  readonly #found = new Map<string, Problem>();

  add(severity: Problem['severity'], { file, line }: Place, message: string, hint?: string): void {
    const key = `${file}:${line}:${message}`;
    if (this.#found.has(key)) return;
    this.#found.set(key, { severity, file, line, message, ...(hint === undefined ? {} : { hint }) });
  }

  get all(): Problem[] {
    return [...this.#found.values()];
  }
}

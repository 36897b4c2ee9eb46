// The admin verbs about the policy in force.

import type { UserRecord } from '../isolation/engine.ts';
import { DockershError } from '../lib/errors.ts';
import type { policyVerbs } from '../protocol/admin-policy.ts';
import { type AdminParts, findUser, type Handlers } from './admin-parts.ts';

export function policyHandlers(parts: AdminParts): Handlers<keyof typeof policyVerbs> {
  const { policy } = parts;
  return {
    'policy.explain': async ({ user }) => {
      const record = await accountOf(parts, user);
      const { evaluation, subject, keys } = policy.explain(record ?? user);
      return {
        user: subject.name,
        account: record !== undefined,
        groups: [...subject.groups],
        outdated: policy.outdated,
        refused: evaluation.kind === 'ok' ? null : { code: evaluation.code, why: evaluation.why },
        keys: keys.map((key) => ({ ...key, from: [...key.from], overrode: [...key.overrode] })),
      };
    },
  };
}

/** Undefined where the host knows no such account. */
async function accountOf({ users }: AdminParts, user: string): Promise<UserRecord | undefined> {
  try {
    return await findUser(users, user);
  } catch (error) {
    if (error instanceof DockershError && error.code === 'E_NOT_FOUND') return undefined;
    throw error;
  }
}

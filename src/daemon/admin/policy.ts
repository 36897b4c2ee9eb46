// The admin verbs about the policy in force.

import { isDeepStrictEqual } from 'node:util';
import type { UserRecord } from '../../isolation/engine.ts';
import { DockershError } from '../../lib/errors.ts';
import { formatProblem } from '../../policy/problem.ts';
import { checkPolicyValue, describePolicyKey, isPolicyKey, type PolicyKey } from '../../policy/schema.ts';
import type { AdminResult } from '../../protocol/admin.ts';
import type { policyVerbs } from '../../protocol/admin-policy.ts';
import { statsOf } from '../stats.ts';
import { type AdminParts, faultOf, findOwner, findUser, type Handlers } from './parts.ts';

export function policyHandlers(parts: AdminParts): Handlers<keyof typeof policyVerbs> {
  const { policy, ownSettings, engine } = parts;
  return {
    stats: async () => await statsOf(parts),
    'policy.diff': async ({ user }) => {
      const record = await findOwner(parts, user);
      const running = engine.settingsOf(record.uid);
      if (running !== undefined) {
        const { own } = await ownSettings.given(record);
        return { user: record.name, changes: changesOf(running, policy.settingsOf(record, own)) };
      }
      throw new DockershError('E_NOT_FOUND', {
        what: `a running sandbox of ${record.name}`,
        why: 'there is none, or an earlier version started it',
        hint: '"dockershctl policy explain" shows what the next one gets.',
      });
    },
    'policy.explain': async ({ user }) => {
      const record = await accountOf(parts, user);
      const given = record === undefined ? undefined : await ownSettings.given(record);
      const { evaluation, subject, keys } = policy.explain(record ?? user, given?.own);
      return {
        user: subject.name,
        account: record !== undefined,
        groups: [...subject.groups],
        policyFault: faultOf(parts),
        refused: evaluation.kind === 'ok' ? null : { code: evaluation.code, why: evaluation.why },
        problems: (given?.problems ?? []).map(formatProblem),
        keys: keys.map((key) => ({ ...key, from: [...key.from], overrode: [...key.overrode] })),
      };
    },
  };
}

type Change = AdminResult<'policy.diff'>['changes'][number];

function changesOf(
  running: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): Change[] {
  return [...new Set([...Object.keys(running), ...Object.keys(wanted)])].flatMap((key): Change[] => {
    const [was = null, is = null] = [running[key], wanted[key]];
    if (was === is || (isPolicyKey(key) && sameValue(key, was, is))) return [];
    const applies = isPolicyKey(key) ? describePolicyKey(key).applies : 'session';
    return applies === 'image' ? [] : [{ key, running: was, policy: is, applies }];
  });
}

/** 2G and 2048M are the same. */
function sameValue(key: PolicyKey, one: string | null, other: string | null): boolean {
  if (one === null || other === null) return false;
  const [a, b] = [checkPolicyValue(key, one), checkPolicyValue(key, other)];
  return a.ok && b.ok && isDeepStrictEqual(a.value, b.value);
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

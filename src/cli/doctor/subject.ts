// An account that checks are about, with its way into its sandbox and the policy that holds for it.

import { realpathSync } from 'node:fs';
import { hasErrno } from '../../lib/errors.ts';
import { evaluate } from '../../policy/evaluate.ts';
import type { ParsedPolicy } from '../../policy/parse/assemble.ts';
import type { Evaluation } from '../../policy/policy.ts';
import type { Account } from '../host/accounts.ts';
import { type SshdAnswer, type SshdQuestion, sshdSettings } from '../host/sshd-settings.ts';
import { subjectOfAccount } from '../host/subjects.ts';

export interface Subject {
  readonly account: Account;
  readonly sshd: SshdAnswer;
  /** The login shell is dockersh. */
  readonly byShell: boolean;
  /** sshd's ForceCommand is dockersh. */
  readonly byForce: boolean;
  /** undefined: the policy is broken. */
  readonly policy: Evaluation | undefined;
}

/** The facts about a host that tell which of its accounts have a sandbox; a Context has them. */
export interface HostFacts {
  readonly sshd: SshdQuestion;
  /** The login client; undefined where none is installed. */
  readonly client: string | undefined;
  readonly isRoot: boolean;
  paths(): Promise<{ readonly state: string }>;
  policy(): Promise<ParsedPolicy>;
}

export async function subjectOf(account: Account, host: HostFacts): Promise<Subject> {
  const [sshd, { policy }] = await Promise.all([sshdSettings(account, host.sshd), host.policy()]);
  const { client } = host;
  return {
    account,
    sshd,
    byShell: client !== undefined && samePath(account.shell, client),
    byForce: client !== undefined && sshd.ok && samePath(sshd.settings.value('forcecommand'), client),
    policy: policy === undefined ? undefined : evaluate(policy, await subjectOfAccount(account)),
  };
}

/** The same program, by whatever links it is named. */
export function samePath(one: string, other: string): boolean {
  return one === other || (one.startsWith('/') && real(one) === real(other));
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG')) return path;
    throw error;
  }
}

/** What the policy gives the account; undefined where it gets nothing. */
export function policyOf({ policy }: Subject) {
  return policy?.kind === 'ok' ? policy.policy : undefined;
}

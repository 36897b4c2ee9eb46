// An account that checks are about, with its way into its sandbox and the policy that holds for it.

import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hasErrno } from '../../lib/errors.ts';
import { evaluate } from '../../policy/evaluate.ts';
import type { ParsedPolicy } from '../../policy/parse/assemble.ts';
import type { Evaluation } from '../../policy/policy.ts';
import { type Account, lookUpGroup } from '../host/accounts.ts';
import { type SshdAnswer, type SshdQuestion, sshdSettings } from '../host/sshd-settings.ts';
import { subjectOfAccount } from '../host/subjects.ts';
import { type ServiceState, serviceBeside, serviceState } from '../sshd/module.ts';
import { type ModuleNames, usualClient } from '../sshd/module-lines.ts';

export interface Subject {
  readonly account: Account;
  readonly sshd: SshdAnswer;
  /** The login shell is dockersh. */
  readonly byShell: boolean;
  /** sshd's ForceCommand is dockersh. */
  readonly byForce: boolean;
  /** What sshd's PAM service says of pam_dockersh.so. */
  readonly module: ServiceState;
  /** sshd's connections of this account are in the sandbox as a whole. */
  readonly joined: boolean;
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

/** `answer`: what sshd has said of another account, where it says the same of all. */
export async function subjectOf(account: Account, host: HostFacts, answer?: SshdAnswer): Promise<Subject> {
  const asked = answer ?? sshdSettings(account, host.sshd);
  const [sshd, { policy }] = await Promise.all([asked, host.policy()]);
  const { client } = host;
  const byShell = client !== undefined && samePath(account.shell, client);
  const module = moduleFor(sshd, host.sshd);
  return {
    account,
    sshd,
    byShell,
    byForce: client !== undefined && sshd.ok && samePath(sshd.settings.value('forcecommand'), client),
    module,
    joined:
      module.kind === 'there' &&
      (samePath(account.shell, module.names.client ?? usualClient) ||
        module.all ||
        (await isNamed(account, module.names))),
    policy: policy === undefined ? undefined : evaluate(policy, await subjectOfAccount(account)),
  };
}

/** Before 9.8, sshd's own name is that of its service. */
function moduleFor(sshd: SshdAnswer, { config }: SshdQuestion): ServiceState {
  if (!sshd.ok) return { kind: 'absent' };
  if (sshd.settings.isNo('usepam')) return { kind: 'no service' };
  const name = sshd.settings.value('pamservicename');
  const usual = serviceBeside(config);
  return serviceState(name === '' ? usual : join(dirname(usual), name));
}

async function isNamed({ name, gid }: Account, { users, groups }: ModuleNames): Promise<boolean> {
  if (users.includes(name)) return true;
  const found = await Promise.all(groups.map(lookUpGroup));
  return found.some((group) => group !== undefined && (group.gid === gid || group.members.includes(name)));
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

// Runs the checks: those of the host, and those of every account that has a sandbox.

import { type Account, findAccount, isLoginShell, listAccounts } from '../host/accounts.ts';
import { accountChecks } from './accounts.ts';
import { cgroupChecks } from './cgroups.ts';
import { type CheckResult, type Finding, type HostCheck, type UserCheck, unknown } from './check.ts';
import type { Context } from './context.ts';
import { fileSystemChecks } from './filesystems.ts';
import { kernelChecks } from './kernel.ts';
import { exemptCheck, stateChecks } from './never-out.ts';
import { serviceChecks, userServiceChecks } from './service.ts';
import { sshChecks } from './ssh.ts';
import { policyOf, type Subject, samePath, subjectOf } from './subject.ts';
import { hostWays, userWays } from './ways-around.ts';

const hostChecks: readonly HostCheck[] = [
  ...kernelChecks,
  ...cgroupChecks,
  ...fileSystemChecks,
  ...serviceChecks,
  ...accountChecks,
  ...hostWays,
];
const userChecks: readonly UserCheck[] = [...stateChecks, ...userServiceChecks, ...sshChecks, ...userWays];

/** Of every id of a check, for --ignore and for the documentation's test. */
export const checkIds: readonly string[] = [...hostChecks, ...userChecks].map(({ id }) => id);

/** Accounts beyond these are left to "doctor --user": sshd is asked about each one. */
const mostAccounts = 200;

/** `user`: only this one's checks are run of those that are about accounts. */
export async function examine(context: Context, user: string | undefined): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of hostChecks) {
    const finding = await attempt(async () => await check.run(context));
    results.push(described(check, finding, []));
  }
  const subjects =
    user === undefined ? await listSubjects(context) : [await subjectOf(await findAccount(user), context)];
  for (const check of userChecks) {
    const found: [Subject, Finding][] = [];
    for (const subject of subjects) {
      // Who is exempt has no sandbox that there could be a way around.
      if (policyOf(subject)?.exempt === 'yes' && check.id !== exemptCheck.id) continue;
      found.push([subject, await attempt(async () => await check.look(subject, context))]);
    }
    results.push(...merged(check, found));
  }
  return results;
}

/** A check that fails is no reason to hide what the others say. */
async function attempt(look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return unknown(`the check failed: ${why}`, 'Run doctor as root; if that does not help, report this.');
  }
}

function described(check: HostCheck | UserCheck, finding: Finding, users: readonly string[]): CheckResult {
  const { id, group, what, why } = check;
  return { id, group, what, why, ...finding, users };
}

/** One result for all accounts of which the same was found; the fix then shows the first of them. */
function merged(check: UserCheck, found: readonly (readonly [Subject, Finding])[]): CheckResult[] {
  const groups = new Map<string, { finding: Finding; users: string[] }>();
  for (const [{ account }, finding] of found) {
    const key = `${finding.state} ${finding.found}`;
    const known = groups.get(key) ?? { finding, users: [] };
    known.users.push(account.name);
    groups.set(key, known);
  }
  return [...groups.values()].map(({ finding, users }) => described(check, finding, users));
}

/** Accounts of which the login shell or ForceCommand is dockersh. */
export async function listSubjects(context: Context): Promise<Subject[]> {
  const accounts = (await listAccounts()).filter((account) => isCandidate(account, context));
  const subjects: Subject[] = [];
  for (const account of accounts.slice(0, mostAccounts)) {
    const subject = await subjectOf(account, context);
    if (subject.byShell || subject.byForce) subjects.push(subject);
  }
  return subjects;
}

/** Accounts of services log in nowhere: sshd need not be asked about them. */
function isCandidate({ uid, shell }: Account, { client }: Context): boolean {
  return (
    uid !== 0 && isLoginShell(shell) && (uid >= 1000 || (client !== undefined && samePath(shell, client)))
  );
}

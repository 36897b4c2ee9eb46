// Runs the checks: those of the host, and those of every account that has a sandbox.

import { inParallel } from '../../lib/async/parallel.ts';
import { gatewayChecks } from '../gateway/checks.ts';
import { findAccount } from '../host/accounts.ts';
import { type CheckResult, type Finding, type HostCheck, type UserCheck, unknown } from './check.ts';
import { acceptEnvCheck } from './checks/accept-env.ts';
import { accountChecks } from './checks/accounts.ts';
import { apparmorCheck } from './checks/apparmor.ts';
import { cgroupChecks } from './checks/cgroups.ts';
import { fileSystemChecks } from './checks/filesystems.ts';
import { imageChecks } from './checks/image.ts';
import { kernelChecks } from './checks/kernel.ts';
import { networkChecks } from './checks/network.ts';
import { exemptCheck, stateChecks } from './checks/never-out.ts';
import { procNumbersCheck } from './checks/proc-numbers.ts';
import { serviceChecks } from './checks/service.ts';
import { sharedTableChecks } from './checks/shared-tables.ts';
import { sshChecks } from './checks/ssh.ts';
import { hostWays, userWays } from './checks/ways-around.ts';
import type { Context } from './context.ts';
import { policyOf, type Subject, subjectOf } from './subject.ts';

const checksAtOnce = 4;

const hostChecks: readonly HostCheck[] = [
  ...kernelChecks,
  apparmorCheck,
  ...sharedTableChecks,
  procNumbersCheck,
  ...cgroupChecks,
  ...fileSystemChecks,
  ...networkChecks,
  ...serviceChecks,
  ...gatewayChecks,
  ...accountChecks,
  ...hostWays,
];
const userChecks: readonly UserCheck[] = [
  ...stateChecks,
  ...imageChecks,
  acceptEnvCheck,
  ...sshChecks,
  ...userWays,
];

/** The ids of all checks, for --ignore and for the test of the documentation. */
export const checkIds: readonly string[] = [...hostChecks, ...userChecks].map(({ id }) => id);

/** `user`: only this one's checks are run of those that are about accounts. */
export async function examine(context: Context, user: string | undefined): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of hostChecks) {
    const finding = await attempt(async () => await check.run(context));
    results.push(described(check, finding, []));
  }
  const subjects =
    user === undefined
      ? (await context.subjects()).found
      : [await subjectOf(await findAccount(user), context)];
  return [...results, ...(await examineUsers(context, subjects))];
}

/** The checks that are about accounts. */
export async function examineUsers(context: Context, subjects: readonly Subject[]): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of userChecks) {
    // An exempt account has no sandbox, so there is no way around it.
    const concerned = subjects.filter(
      (subject) => policyOf(subject)?.exempt !== 'yes' || check.id === exemptCheck.id,
    );
    const found = await inParallel(
      concerned,
      checksAtOnce,
      undefined,
      async (subject): Promise<[Subject, Finding]> => {
        return [subject, await attempt(async () => await check.look(subject, context))];
      },
    );
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

// Checks the profiles of system calls that a policy names, as the daemon does when a sandbox starts.

import { profileFile } from '../../policy/keys/filter.ts';
import type { Policy } from '../../policy/policy.ts';
import { settingsNaming } from '../../policy/precedence.ts';
import type { Problem } from '../../policy/problem.ts';
import { machineHere } from '../../seccomp/calls.ts';
import { ProfileFiles } from '../../seccomp/profile-file.ts';

/** An error for every setting whose file cannot be read or is not understood: its users could not log in. */
export async function profileProblems(policy: Policy): Promise<Problem[]> {
  const problems: Problem[] = [];
  const profiles = new ProfileFiles(machineHere());
  for (const { file, line, text } of settingsNaming(policy, 'seccomp')) {
    const named = profileFile(text);
    const compiled = named === undefined ? undefined : await profiles.filterOf(named);
    if (compiled?.ok === false)
      problems.push({ severity: 'error', file, line, message: `seccomp: ${named} ${compiled.problem}` });
  }
  return problems;
}

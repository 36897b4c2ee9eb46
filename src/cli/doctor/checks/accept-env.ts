// Compares the variables that sshd takes from clients (AcceptEnv) with those that pass into sessions (pass_env).

import { globTest } from '../../../policy/glob.ts';
import { alwaysPasses, neverPasses } from '../../../policy/values/session.ts';
import { ok, type UserCheck, warning } from '../check.ts';
import { policyOf } from '../subject.ts';

/** Whether all that a pattern of AcceptEnv may mean passes: a glob does where the policy has it as well, or one for everything. */
function passes(pattern: string, names: readonly string[]): boolean {
  if (/[*?]/.test(pattern))
    return pattern.startsWith('LC_') || names.includes('*') || names.includes(pattern);
  if (alwaysPasses(pattern) || neverPasses(pattern)) return true;
  return names.map(globTest).some((glob) => 'test' in glob && glob.test(pattern));
}

export const acceptEnvCheck: UserCheck = {
  id: 'ssh-pass-env',
  group: 'policy',
  what: 'what sshd takes from clients passes into sessions',
  why: 'AcceptEnv in sshd_config has no effect on variables that the policy does not name.',
  look: (subject) => {
    const policy = policyOf(subject);
    if (!subject.sshd.ok || policy === undefined) return ok('there is nothing to compare');
    const patterns = subject.sshd.settings.all('acceptenv').flatMap((line) => line.split(/\s+/));
    const kept = patterns.filter((pattern) => !/^!?$|^!/.test(pattern) && !passes(pattern, policy.passEnv));
    if (kept.length === 0) return ok(`AcceptEnv ${patterns.join(' ') || 'lets in nothing'}`);
    return warning(
      `${kept.join(', ')} of AcceptEnv: not in pass_env`,
      `Write "pass_env += ${kept.join(' ')}" into the policy where users are to have that inside, or take it out of AcceptEnv.`,
    );
  },
};

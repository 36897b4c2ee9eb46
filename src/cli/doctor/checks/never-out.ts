// Checks for what keeps an account from its own sandbox by somebody's decision: an exemption, maintenance, rescue.

import { shellOperand } from '../../../lib/text/shell-word.ts';
import { ok, type UserCheck, unknown, warning } from '../check.ts';
import { policyOf } from '../subject.ts';

export const exemptCheck: UserCheck = {
  id: 'exempt',
  group: 'accounts',
  what: 'the account has a sandbox, and is not exempt from it',
  why: 'The policy gives exempt accounts a shell of the host.',
  look: (subject) =>
    policyOf(subject)?.exempt === 'yes'
      ? warning(
          'the policy exempts it: it has a shell of the host',
          'That is right for administrators (doctor --ignore exempt). For others, "dockershctl policy explain" shows which line says so.',
        )
      : ok('not exempt'),
};

export const stateChecks: readonly UserCheck[] = [
  exemptCheck,
  {
    id: 'maintenance',
    group: 'policy',
    what: 'logins are open',
    why: 'During maintenance new logins are refused.',
    look: (subject) => {
      const message = policyOf(subject)?.maintenance ?? null;
      if (message === null) return ok('there is no maintenance');
      return warning(`closed for maintenance: ${message}`, 'dockershctl maintenance off');
    },
  },
  {
    id: 'rescue',
    group: 'policy',
    what: 'the rescue image is there, and not in use',
    why: 'Users whose own image is missing or damaged start from it; without it they cannot log in then.',
    look: async (subject, context) => {
      const image = policyOf(subject)?.rescue ?? null;
      if (image === null) return ok('the policy names none');
      const state = await context.imageState(image);
      if (state === 'unknown')
        return unknown(`dockershd does not say whether image ${image} is there`, 'Start dockershd.');
      if (state !== 'there') {
        const fix = `dockershctl image bootstrap busybox ${shellOperand(image)}, or name another one`;
        return warning(`the rescue image ${image} is ${state}`, fix);
      }
      const { name } = subject.account;
      const { rescue } = await context.cli.call('account.look', { user: name });
      if (!rescue) return ok(image);
      const fix = `Once their own image is repaired: dockershctl user rescue ${shellOperand(name)} off`;
      return warning(`sandboxes start from the rescue image ${image}`, fix);
    },
  },
];

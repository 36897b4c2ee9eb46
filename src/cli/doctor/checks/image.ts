// Checks the image that the policy gives an account.

import { shellOperand } from '../../../lib/text/shell-word.ts';
import { critical, type Finding, ok, type UserCheck, unknown } from '../check.ts';
import type { Context } from '../context.ts';
import { policyOf, type Subject } from '../subject.ts';

export const imageChecks: readonly UserCheck[] = [
  {
    id: 'policy-user',
    group: 'policy',
    what: 'the policy gives the user an image that is there',
    why: 'A user to whom the policy gives no image, or one that is missing, cannot log in.',
    look: imageOf,
  },
  {
    id: 'policy-machine',
    group: 'policy',
    what: "the user's image is for this machine",
    why: 'Programs for another processor do not run, or only by an emulator (binfmt_misc) that the host has.',
    look: machineOf,
  },
];

async function imageOf(subject: Subject, context: Context): Promise<Finding> {
  const policy = policyOf(subject);
  const { name } = subject.account;
  if (subject.policy === undefined) return unknown('the policy is not valid', 'dockershctl policy check');
  if (policy === undefined)
    return critical('the policy gives the user no image', `Set "image" in [defaults] or [user:${name}].`);
  const { image } = policy;
  const state = await context.imageState(image);
  if (state === 'missing')
    return critical(`image ${image} is not there`, `dockershctl image pull ${shellOperand(image)}`);
  if (state === 'damaged') return critical(`image ${image} is damaged`, 'dockershctl image verify');
  if (state === 'unknown')
    return unknown(`dockershd does not say whether image ${image} is there`, 'Start dockershd.');
  const why = await context.whyUntrusted(image);
  if (why === undefined) return ok(`image ${image}`);
  return critical(
    `image ${image} would not start: ${why}`,
    'Have it signed and pull it again, or change "images_trusted".',
  );
}

/** Where there is no image, the other check says so. */
async function machineOf(subject: Subject, context: Context): Promise<Finding> {
  const image = policyOf(subject)?.image;
  if (image === undefined) return ok('there is no image');
  const state = await context.imageState(image);
  if (typeof state === 'string') return ok(state === 'there' ? `image ${image}` : 'there is no image');
  const platform = `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`;
  return critical(
    `image ${image} is for ${state.machine}, this machine is ${platform}`,
    `Have an image for ${platform}: dockershctl image pull --platform ${platform} ${shellOperand(image)}. If the host emulates the other machine, --ignore policy-machine says that it may be so.`,
  );
}

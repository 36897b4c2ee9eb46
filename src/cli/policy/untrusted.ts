// Names the images of a policy that it would itself not let run, as the daemon sees them.

import { imagesNamed } from '../../policy/images-named.ts';
import type { Policy } from '../../policy/policy.ts';
import type { Problem } from '../../policy/problem.ts';
import { trustedEntries } from '../../policy/trusted.ts';
import type { Console } from '../console.ts';

/** A warning for each setting that names such an image. Needs the daemon, which knows what is signed. */
export async function untrustedImages(cli: Console, policy: Policy): Promise<Problem[]> {
  const { imagesTrusted, unsignedLocal, registry } = policy.images;
  if (imagesTrusted.length === 0) return [];
  const settings = imagesNamed(policy);
  const names = [...new Set(settings.map(({ image }) => image))];
  const entries = imagesTrusted.map(({ glob, keys }) => ({ glob, keys: [...keys] }));
  const rules = { imagesTrusted: entries, unsignedLocal, registry };
  const { untrusted } = await cli.call('image.untrusted', { names, rules });
  const reasons = new Map(untrusted.map(({ name, why }) => [name, why]));
  return settings.flatMap(({ image, file, line, key }): Problem[] => {
    const why = reasons.get(image);
    if (why === undefined) return [];
    const isNamed = trustedEntries(image, policy.images).length > 0;
    const message = `${key} names ${image}, which would not start: ${why}`;
    return [{ severity: 'warning', file, line, message, ...(isNamed && { hint: pullAgain }) }];
  });
}

const pullAgain = 'Have it signed, and pull it again.';

// Turns what the policy says of trusted images into the store's rules.

import type { TrustRules } from '../../images/trust/rules.ts';
import type { ImagesPolicy } from '../../policy/policy.ts';
import { trustedEntries } from '../../policy/trusted.ts';

export function trustRules(
  images: Pick<ImagesPolicy, 'imagesTrusted' | 'unsignedLocal' | 'registry'>,
): TrustRules {
  return {
    isOn: images.imagesTrusted.length > 0,
    entriesFor: (name) => trustedEntries(name, images),
    unsignedLocal: images.unsignedLocal === 'yes',
  };
}

// Opens the policy of an installation. One that is older than private networks keeps "network = none" where its policy
// does not say: an upgrade opens nothing.

import type { DefaultNetwork } from '../../isolation/network/state.ts';
import type { Logger } from '../../lib/log.ts';
import { withOlderNetwork } from '../../policy/network/older.ts';
import { networkFile } from '../../users/places.ts';
import type { DaemonOptions } from '../options.ts';
import { KeptPolicy } from './kept-policy.ts';
import { PolicyStore } from './policy-store.ts';

export async function openPolicy(
  { config, state }: DaemonOptions,
  defaultNetwork: DefaultNetwork,
  log: Logger,
): Promise<PolicyStore> {
  const kept = new KeptPolicy(state, config, log);
  if (defaultNetwork === 'private') return await PolicyStore.open(config, log, kept);
  const file = networkFile(state);
  let told = false;
  return await PolicyStore.open(config, log, kept, (policy) => {
    if (!told && !policy.defaults.some(({ settings }) => settings.has('network'))) {
      told = true;
      log.info(
        { file },
        'this installation is older than private networks: sandboxes have none (network = none) where the policy does not say otherwise. Write network = private, or network = none, in [defaults]; docs/network.md has the steps',
      );
    }
    return withOlderNetwork(policy, file);
  });
}

// Opens what keeps networks of sandboxes: the register in the state, and what gives sandboxes their networks.

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { Networks } from '../isolation/network/networks.ts';
import { NetworkState } from '../isolation/network/state.ts';
import { hasErrno } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { AbsolutePath } from '../lib/values/absolute-path.ts';
import { idsFile, networkFile, usersFolder } from '../users/places.ts';
import { keptPolicyName } from './policy/kept-policy.ts';
import type { PolicyStore } from './policy/policy-store.ts';

/** Before anything else is written there: a state that is not new has a policy from before there were such networks. */
export async function openNetworkState(state: AbsolutePath): Promise<NetworkState> {
  return await NetworkState.open(networkFile(state), async () => await isOlder(state));
}

async function isOlder(state: AbsolutePath): Promise<boolean> {
  if (existsSync(idsFile(state)) || existsSync(path.join(state, keptPolicyName))) return true;
  try {
    return (await readdir(usersFolder(state))).length > 0;
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    return false;
  }
}

export function openNetworks(state: NetworkState, policy: PolicyStore, log: Logger): Networks {
  return new Networks({ state, settings: () => policy.host, relay: undefined, log });
}

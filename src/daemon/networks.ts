// Opens what keeps networks of sandboxes: the register in the state, and what gives sandboxes their networks.

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { CgroupHost } from '../isolation/cgroup/host.ts';
import { Networks, withdrawNetworks } from '../isolation/network/networks.ts';
import { DnsRelay } from '../isolation/network/relay.ts';
import { NetworkState } from '../isolation/network/state.ts';
import { loadAddon } from '../isolation/socket/seqpacket.ts';
import { hasErrno } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { AbsolutePath } from '../lib/values/absolute-path.ts';
import { idsFile, networkFile, usersFolder } from '../users/places.ts';
import { checkInstallation } from './installation.ts';
import type { DaemonOptions } from './options.ts';
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

/** For who takes dockersh away. Nothing where there has never been such a network. */
export async function withdraw(options: DaemonOptions, log: Logger): Promise<void> {
  await checkInstallation(options);
  if (!existsSync(networkFile(options.state))) return;
  loadAddon(path.join(options.libexec, 'addon.node'));
  await withdrawNetworks(await openNetworkState(options.state), log);
}

/** Takes nothing of the host before the first sandbox with such a network. */
export function openNetworks(
  state: NetworkState,
  policy: PolicyStore,
  { options, cgroups, log }: { options: DaemonOptions; cgroups: CgroupHost; log: Logger },
): Networks {
  const relay = new DnsRelay({
    program: path.join(options.libexec, 'dockersh-relay'),
    socket: path.join(options.run, 'relay.sock'),
    started: (pid) => cgroups.placeLauncher(pid),
    log,
  });
  return new Networks({ state, settings: () => policy.host, relay, log });
}

// Keeps the network of an installation as it was before there were private networks: where the policy says nothing,
// "network" is then none, and "policy explain" shows where that comes from.

import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { hasErrno } from '../../lib/errors.ts';
import type { Policy, SectionPolicy } from '../policy.ts';

/** In the state folder. */
export const networkStateName = 'network.json';

export type DefaultNetwork = 'private' | 'none';

/** Below everything that is written. `file`: what recorded that the installation is older. Pure. */
export function withOlderNetwork(policy: Policy, file: string): Policy {
  const section: SectionPolicy = {
    name: 'upgrade',
    file,
    line: 1,
    values: { network: 'none' },
    settings: new Map([['network', { text: 'none', append: false, file, line: 1 }]]),
    dependent: [],
    env: new Map(),
  };
  return { ...policy, defaults: [section, ...policy.defaults] };
}

/** As the daemon has it: something is kept there already. */
async function isOlder(state: string): Promise<boolean> {
  const files = ['ids.json', 'last-good-policy.json'].map((name) => path.join(state, name));
  if (files.some((file) => existsSync(file))) return true;
  try {
    return (await readdir(path.join(state, 'users'))).length > 0;
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    return false;
  }
}

const Recorded = z.object({ default: z.enum(['private', 'none']) });

/** For whoever looks at a policy without the daemon: what the daemon has recorded, or would at its first start. */
export async function recordedDefault(state: string): Promise<DefaultNetwork> {
  try {
    const text = await readFile(path.join(state, networkStateName), 'utf8');
    return Recorded.parse(JSON.parse(text)).default;
  } catch (error) {
    // A damaged file is for the daemon to complain of; what opens nothing is what to go by.
    if (!hasErrno(error, 'ENOENT')) return 'none';
    return (await isOlder(state)) ? 'none' : 'private';
  }
}

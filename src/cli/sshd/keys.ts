// Finds out whose keys let users in (authorized_keys of the policy), for the lines by which sshd asks dockersh-keys.

import { join } from 'node:path';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import type { Console } from '../console.ts';
import { libexecFolder } from '../host/installation.ts';
import type { Entry, KeysProgram, KeysSource } from './drop-in.ts';
import { accountsOf } from './verify.ts';

/** What a host without the package's user, or with another state, has to be told. */
const usualState = '/var/lib/dockersh';

/** dockersh-keys, and where it looks. */
export function keysProgram(libexec: string, state: string): KeysProgram {
  const program = join(libexec, 'dockersh-keys');
  return { command: state === usualState ? program : `${program} --folder ${state}-keys` };
}

/** By the daemon, which knows them; without one, where the package has them. */
export async function findKeysProgram(cli: Console): Promise<KeysProgram> {
  try {
    const { libexec, state } = await cli.call('health', {});
    return keysProgram(libexec, state);
  } catch (error) {
    if (!isDown(error)) throw error;
    return keysProgram(libexecFolder(), usualState);
  }
}

/** The entries with what the policy says of them; of a group whose members differ: both, and the policy does the rest. */
export async function withKeys(cli: Console, entries: readonly Entry[]): Promise<Entry[]> {
  return await Promise.all(
    entries.map(async (entry) => {
      const said = new Set<KeysSource>();
      for (const { uid } of await accountsOf(entry)) said.add(await keysOf(cli, uid));
      const [first = 'host', ...others] = said;
      return { ...entry, keys: others.length === 0 ? first : 'both' };
    }),
  );
}

async function keysOf(cli: Console, uid: number): Promise<KeysSource> {
  try {
    return (await cli.call('account.look', { user: String(uid) })).policy?.keys ?? 'host';
  } catch (error) {
    if (isDown(error) || (error instanceof DockershError && error.code === 'E_OWNER')) return 'host';
    throw error;
  }
}

const isDown = (error: unknown): boolean =>
  (error instanceof DockershError && error.code === 'E_DAEMON_DOWN') ||
  hasErrno(error, 'ENOENT', 'ECONNREFUSED');

// Finds this host's dockersh, and whether its daemon answers.

import { DockershError } from '../../lib/errors.ts';
import type { Console } from '../console.ts';
import { findClient, libexecFolder } from '../host/installation.ts';
import { Books } from './books.ts';

export interface Installation {
  readonly cli: Console;
  readonly client: string;
  readonly config: string;
  readonly libexec: string;
  readonly books: Books;
  readonly daemonRuns: boolean;
}

export async function findInstallation(
  cli: Console,
  named: { readonly client?: string | undefined; readonly state?: string | undefined },
): Promise<Installation> {
  const client = findClient(named.client);
  try {
    const { config, state, libexec } = await cli.call('health', {});
    return { cli, client, config, libexec, books: new Books(state), daemonRuns: true };
  } catch (error) {
    if (!(error instanceof DockershError) || error.code !== 'E_DAEMON_DOWN') throw error;
    const state = named.state ?? '/var/lib/dockersh';
    const config = '/etc/dockersh/dockersh.ini';
    return { cli, client, config, libexec: libexecFolder(), books: new Books(state), daemonRuns: false };
  }
}

// The contenders of a benchmark: a plain shell as the floor, dockersh, and what else of its kind is installed.

import type { Command } from './spawner.ts';

export interface Contender {
  name: string;
  /** What is special about it, for the reader of the table. */
  note?: string;
  /** A shell command in a container that runs already. */
  warm?: (script: string, terminal?: boolean) => Command;
  /** The same in one that has to be made first. */
  cold?: (script: string, terminal?: boolean) => Command;
  /** Brings about the state that `cold` needs; not timed. */
  beforeCold?: () => Promise<void>;
  /** An interactive login. */
  prompt?: () => Command;
}

export const floorName = 'plain sh';
export const ourName = 'dockersh';
/** Whose sessions go on when their connection ends. */
export const keptName = 'dockersh, kept';
export const enterName = 'bare setns(2)';

export interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

export function as(account: Account, file: string, args: readonly string[], argv0?: string): Command {
  const { uid, gid, name, home } = account;
  return { uid, gid, name, home, file, args, ...(argv0 === undefined ? {} : { argv0 }) };
}

export const root: Account = { name: 'root', uid: 0, gid: 0, home: '/root' };

export function plain(account: Account): Contender {
  const shell = (script: string): Command => as(account, '/bin/sh', ['-c', script], 'sh');
  return {
    name: floorName,
    warm: shell,
    cold: shell,
    prompt: () => as(account, '/bin/bash', [], '-bash'),
  };
}

/** No less than this can a login cost: into a sandbox of ours that runs, by its PID 1, with the same shell. */
export function bareEnter(account: Account, initPid: number): Contender {
  return {
    name: enterName,
    note: 'joins every namespace but no control group, and asks nobody',
    warm: (script) => ({ ...as(account, '/bin/bash', ['-c', script], 'bash'), mounts: `=${initPid}` }),
  };
}

export function ours(account: Account, client: string, stop: () => Promise<void>, name = ourName): Contender {
  const login = (script: string): Command => as(account, client, ['-c', script], 'dockersh');
  return {
    name,
    warm: login,
    cold: login,
    beforeCold: stop,
    prompt: () => as(account, client, [], '-dockersh'),
  };
}

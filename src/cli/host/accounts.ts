// Accounts of the host by way of its name services, so that those of a directory are like any other.

import { readFile } from 'node:fs/promises';
import { sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';
import { runCommand } from './command.ts';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
}

/** One line of passwd(5); undefined where it is none. */
export function parseAccount(line: string): Account | undefined {
  const fields = line.split(':');
  const [name = '', , uid = '', gid = '', gecos = '', home = '', shell = ''] = fields;
  if (fields.length !== 7 || name === '' || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return undefined;
  return { name, uid: Number(uid), gid: Number(gid), gecos, home, shell: shell === '' ? '/bin/sh' : shell };
}

function parseAccounts(text: string): Account[] {
  return text
    .split('\n')
    .map(parseAccount)
    .filter((account) => account !== undefined);
}

/** By name, or by uid where it is a number. Throws CliFailure E_NOT_FOUND. */
export async function findAccount(user: string): Promise<Account> {
  const account = await lookUpAccount(user);
  if (account !== undefined) return account;
  throw new CliFailure({
    code: 'E_NOT_FOUND',
    message: `user ${user}: this host knows no such account`,
    hint: 'Check the name: "getent passwd" lists the accounts that the name services know.',
    exitCode: sysexits.noInput,
  });
}

export async function lookUpAccount(user: string): Promise<Account | undefined> {
  // A line break or a colon is in no name, and getent would show another account's line for it.
  if (user === '' || /[\n\0:]/.test(user)) return undefined;
  const outcome = await runCommand('getent', ['passwd', '--', user]);
  const [account] = parseAccounts(outcome?.stdout ?? '');
  return account;
}

/** All accounts that the name services list. Directories often list none; lookUpAccount finds those. */
export async function listAccounts(): Promise<Account[]> {
  const outcome = await runCommand('getent', ['passwd']);
  const accounts = parseAccounts(outcome?.stdout ?? (await readFile('/etc/passwd', 'utf8')));
  return [...new Map(accounts.map((account) => [account.uid, account])).values()];
}

/** The account's line in /etc/passwd itself, which is what usermod can change. */
export async function localAccount(name: string): Promise<Account | undefined> {
  return parseAccounts(await readFile('/etc/passwd', 'utf8')).find((account) => account.name === name);
}

export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

export async function lookUpGroup(group: string): Promise<Group | undefined> {
  if (group === '' || /[\n\0:]/.test(group)) return undefined;
  const outcome = await runCommand('getent', ['group', '--', group]);
  const [line = ''] = (outcome?.stdout ?? '').split('\n');
  const [name, , gid, members = ''] = line.split(':');
  if (name === undefined || gid === undefined) return undefined;
  return { name, gid: Number(gid), members: members.split(',').filter((member) => member !== '') };
}

/** Names of the groups that the account is in, its own first. */
export async function groupsOf(account: Account): Promise<string[]> {
  const outcome = await runCommand('id', ['-Gnz', '--', account.name]);
  return (outcome?.stdout ?? '').split('\0').filter((name) => name !== '');
}

const noShells = new Set(['nologin', 'false', 'true', 'sync', 'halt', 'shutdown']);

/** Whether somebody can work with this login shell. */
export function isLoginShell(shell: string): boolean {
  return shell.startsWith('/') && !noShells.has(shell.slice(shell.lastIndexOf('/') + 1));
}

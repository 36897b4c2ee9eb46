// Verifies that ForceCommand and AuthorizedKeysCommand come out as written for those they are meant for: an earlier Match block, or one in
// another file, may say something else, and sshd takes the first value that it meets.

import { readFileSync } from 'node:fs';
import { hasErrno, sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';
import { type Account, listAccounts, lookUpAccount, lookUpGroup } from '../host/accounts.ts';
import { defaultQuestion, sshdSettings } from '../host/sshd-settings.ts';
import { type DropInOptions, type Entry, keysCommand } from './drop-in.ts';

/** Of a large group a few speak for all: the same blocks match them. */
const mostMembers = 20;

/** Throws CliFailure where somebody would not get what is written. Resolves to what could not be looked at. */
export async function verifyEntries(
  config: string,
  entries: readonly Entry[],
  options: Pick<DropInOptions, 'client' | 'keys'>,
): Promise<string[]> {
  const notes: string[] = [];
  for (const entry of entries) {
    const accounts = await accountsOf(entry);
    if (accounts.length === 0) {
      notes.push(
        entry.kind === 'group'
          ? `no member of group ${entry.name} could be found to try it with`
          : `this host knows no user ${entry.name}`,
      );
    }
    for (const account of accounts) await verify(account, config, wantedOf(entry, options));
  }
  return notes;
}

/** The accounts that an entry is about, of a group some. */
export async function accountsOf({ kind, name }: Entry): Promise<Account[]> {
  if (kind !== 'group') {
    const account = await lookUpAccount(name);
    return account === undefined ? [] : [account];
  }
  const group = await lookUpGroup(name);
  if (group === undefined) return [];
  const own = (await listAccounts()).filter(({ gid }) => gid === group.gid);
  const named = await Promise.all(group.members.slice(0, mostMembers).map(lookUpAccount));
  return [...named.filter((account) => account !== undefined), ...own.slice(0, mostMembers)].filter(
    ({ uid }) => uid !== 0,
  );
}

interface Wanted {
  readonly setting: 'ForceCommand' | 'AuthorizedKeysCommand';
  readonly value: string;
}

function wantedOf({ kind, keys = 'host' }: Entry, options: Pick<DropInOptions, 'client' | 'keys'>): Wanted[] {
  return [
    ...(kind === 'keys' ? [] : [{ setting: 'ForceCommand', value: options.client } as const]),
    ...(keys === 'host'
      ? []
      : [{ setting: 'AuthorizedKeysCommand', value: keysCommand(options.keys) } as const]),
  ];
}

async function verify(account: Account, config: string, wanted: readonly Wanted[]): Promise<void> {
  const answer = await sshdSettings(account, { ...defaultQuestion, config });
  for (const { setting, value } of wanted) {
    const found = answer.ok ? answer.settings.value(setting.toLowerCase()) : undefined;
    if (found === value) continue;
    const what = setting === 'ForceCommand' ? 'the sandbox' : 'in by the keys inside';
    throw new CliFailure({
      code: 'E_SSHD_CONFIG',
      message: `${account.name} would not get ${what}: ${answer.ok ? `${setting} is ${found}` : answer.problem}`,
      hint: `Nothing was changed. Something that sshd reads earlier says otherwise: ${culprit(config, setting)}.`,
      exitCode: sysexits.config,
    });
  }
}

/** The first lines that set it, for a person to look at. */
function culprit(config: string, setting: Wanted['setting']): string {
  const files = [config, ...[...text(config).matchAll(/^Include "(.*)"$/gm)].map(([, file = '']) => file)];
  const lines = files.flatMap((file) =>
    [...text(file).matchAll(new RegExp(String.raw`^\s*${setting}\s.*$`, 'gim'))].map(
      ([line]) => `"${line.trim()}"`,
    ),
  );
  return lines.length === 0 ? 'look for Match blocks' : lines.slice(0, 3).join(', ');
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EISDIR')) return ''; // a pattern
    throw error;
  }
}

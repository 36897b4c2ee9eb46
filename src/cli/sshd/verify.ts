// Verifies that ForceCommand comes out as written for those it is meant for: an earlier Match block, or one in
// another file, may say something else, and sshd takes the first value that it meets.

import { readFileSync } from 'node:fs';
import { hasErrno, sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';
import { type Account, listAccounts, lookUpAccount, lookUpGroup } from '../host/accounts.ts';
import { defaultQuestion, sshdSettings } from '../host/sshd-settings.ts';
import type { Entry } from './drop-in.ts';

/** Of a large group a few speak for all: the same blocks match them. */
const mostMembers = 20;

/** Throws CliFailure where somebody would not get `client`. Resolves to what could not be looked at. */
export async function verifyForced(
  config: string,
  entries: readonly Entry[],
  client: string,
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
    for (const account of accounts) await verify(account, config, client);
  }
  return notes;
}

async function accountsOf({ kind, name }: Entry): Promise<Account[]> {
  if (kind === 'user') {
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

async function verify(account: Account, config: string, client: string): Promise<void> {
  const answer = await sshdSettings(account, { ...defaultQuestion, config });
  const why = answer.ok ? `ForceCommand is ${answer.settings.value('forcecommand')}` : answer.problem;
  if (answer.ok && answer.settings.value('forcecommand') === client) return;
  throw new CliFailure({
    code: 'E_SSHD_CONFIG',
    message: `${account.name} would not get the sandbox: ${why}`,
    hint: `Nothing was changed. Something that sshd reads earlier says otherwise: ${culprit(config)}.`,
    exitCode: sysexits.config,
  });
}

/** The first lines that force something, for a person to look at. */
function culprit(config: string): string {
  const files = [config, ...[...text(config).matchAll(/^Include "(.*)"$/gm)].map(([, file = '']) => file)];
  const lines = files.flatMap((file) =>
    [...text(file).matchAll(/^\s*forcecommand\s.*$/gim)].map(([line]) => `"${line.trim()}"`),
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

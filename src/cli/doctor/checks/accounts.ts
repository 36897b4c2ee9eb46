// Checks that nobody is locked out: programs accept dockersh as a login shell, and root still gets in.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../../../lib/errors.ts';
import { shellWord } from '../../../lib/text/shell-word.ts';
import { Books, isAlive } from '../../accounts/books.ts';
import { isOrphan } from '../../accounts/folders.ts';
import { type Account, isLoginShell, listAccounts, lookUpAccount, lookUpGroup } from '../../host/accounts.ts';
import { sshdSettings } from '../../host/sshd-settings.ts';
import { critical, type Finding, type HostCheck, ok, unknown, warning } from '../check.ts';
import type { Context } from '../context.ts';
import { samePath } from '../subject.ts';
import { listShells } from './service.ts';

export const accountChecks: readonly HostCheck[] = [
  {
    id: 'shells-file',
    group: 'accounts',
    what: '/etc/shells names dockersh',
    why: 'PAM (pam_shells), chsh and others refuse accounts whose login shell is not in it.',
    run: async ({ client }) => {
      if (client === undefined) return unknown('there is no login client', 'Install dockersh.');
      const shells = await listShells();
      if (shells.some((shell) => shell !== '' && samePath(shell, client))) return ok(client);
      return warning(`${client} is not in it`, `echo ${shellWord(client)} >> /etc/shells`);
    },
  },
  {
    id: 'accounts-all',
    group: 'accounts',
    what: 'every account was looked at',
    why: 'sshd is asked about one account after the other, and about no more than a few hundred.',
    run: async (context) => {
      const { found, left } = await context.subjects();
      if (left === 0) return ok(`${found.length} have a sandbox`);
      return unknown(
        `sshd was not asked about ${left} more`,
        'Check them one by one: dockershctl doctor --user NAME',
      );
    },
  },
  {
    id: 'accounts-unfinished',
    group: 'accounts',
    what: 'no account was left half enabled or half disabled',
    why: 'A "user enable" or "user disable" that was killed may have left the files of somebody aside.',
    run: async (context) => {
      if (!context.isRoot) return unknown('only root can look', 'Run doctor as root.');
      const { state } = await context.paths();
      const dead = (await new Books(state).journals()).filter(({ owner }) => !isAlive(owner));
      if (dead.length === 0) return ok('there is none');
      return critical(dead.map(({ plan }) => plan.account.name).join(', '), 'dockershctl user repair');
    },
  },
  {
    id: 'accounts-folders',
    group: 'accounts',
    what: 'everything that is kept belongs to an account of this host',
    why: 'What is left of an account that is gone takes space, and whoever gets its uid is refused (E_OWNER).',
    run: orphans,
  },
  {
    id: 'root-shell',
    group: 'accounts',
    what: "root's login shell is an ordinary one",
    why: 'root never gets a sandbox; with dockersh as its login shell it depends on a program of ours when all else fails.',
    run: async ({ client }) => {
      const root = await lookUpAccount('0');
      if (root === undefined) return critical('there is no account with uid 0', 'Restore /etc/passwd.');
      if (client !== undefined && samePath(root.shell, client)) {
        return warning(`it is ${root.shell}`, 'usermod --shell /bin/bash root');
      }
      return ok(root.shell);
    },
  },
  {
    id: 'root-way-in',
    group: 'accounts',
    what: "an account with root's rights can still log in outside of a sandbox",
    why: 'When dockershd does not start, only such an account can repair it.',
    run: wayIn,
  },
];

async function orphans({ cli, daemon }: Context): Promise<Finding> {
  const answer = await daemon();
  if (!answer.ok) return unknown(answer.problem, answer.hint);
  const { folders } = await cli.call('account.folders', {});
  const left = folders.filter(isOrphan);
  if (left.length === 0) return ok(`${folders.length} ${folders.length === 1 ? 'folder' : 'folders'}`);
  const found = left.map(({ owner, uid, account }) => {
    const now = account === null ? '' : `, which ${account} has now`;
    return `${owner ?? 'somebody'} (uid ${uid}${now})`;
  });
  return warning(
    found.join('; '),
    'For each that is gone for good: dockershctl user forget UID. For each that was renamed: dockershctl user rename OLD NEW.',
  );
}

const adminGroups = ['sudo', 'wheel', 'admin'];

async function wayIn(context: Context): Promise<Finding> {
  if (!context.isRoot) return unknown('only root can see who has a password', 'Run doctor as root.');
  const candidates = await adminAccounts();
  const reasons: string[] = [];
  for (const account of candidates) {
    const reason = await whyNot(account, context);
    if (reason === undefined) return ok(account.name);
    reasons.push(`${account.name}: ${reason}`);
  }
  return critical(
    reasons.join('; '),
    'Keep one: give root an ordinary shell and a password or a key (passwd root), or take an administrator out of the sandbox (dockershctl user disable NAME).',
  );
}

async function adminAccounts(): Promise<Account[]> {
  const all = await listAccounts();
  const names = new Set<string>();
  const gids = new Set<number>();
  for (const name of adminGroups) {
    const group = await lookUpGroup(name);
    for (const member of group?.members ?? []) names.add(member);
    if (group !== undefined) gids.add(group.gid);
  }
  return all.filter(({ uid, gid, name }) => uid === 0 || gids.has(gid) || names.has(name));
}

/** Why the account gets no shell of the host; undefined where it does. */
async function whyNot(account: Account, context: Context): Promise<string | undefined> {
  const { client } = context;
  if (!isLoginShell(account.shell)) return `the login shell is ${account.shell}`;
  if (account.uid !== 0 && client !== undefined && samePath(account.shell, client)) return 'it has a sandbox';
  if (await hasPassword(account.name)) return undefined; // at the console, whatever sshd says
  const answer = await sshdSettings(account, context.sshd);
  if (!answer.ok) return 'it has no password, and sshd does not say what it does with it';
  const { settings } = answer;
  const forced = settings.value('forcecommand');
  if (account.uid === 0 && settings.isNo('permitrootlogin'))
    return 'it has no password, and PermitRootLogin is no';
  if (forced !== '' && forced !== 'none') return `it has no password, and sshd forces ${forced}`;
  const files = settings.value('authorizedkeysfile').split(/\s+/);
  const keys = await Promise.all(files.map((file) => hasContent(keysFile(file, account))));
  return keys.includes(true) ? undefined : 'it has neither a password nor an authorized key';
}

/** As sshd_config(5) has it for AuthorizedKeysFile. */
function keysFile(pattern: string, account: Account): string {
  const file = pattern.replaceAll(/%([%hu])/g, (_, letter: string) =>
    letter === 'h' ? account.home : letter === 'u' ? account.name : '%',
  );
  return file.startsWith('/') ? file : join(account.home, file);
}

async function hasContent(file: string): Promise<boolean> {
  try {
    return (await readFile(file, 'utf8')).split('\n').some((line) => /^[^#\s]/.test(line));
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP')) return false;
    throw error;
  }
}

/** Whether /etc/shadow holds a password for the account that is not locked (shadow(5)). */
async function hasPassword(name: string): Promise<boolean> {
  const text = await readFile('/etc/shadow', 'utf8');
  const line = text.split('\n').find((one) => one.startsWith(`${name}:`));
  return /^(\$|[./0-9A-Za-z]{13}$)/.test(line?.split(':')[1] ?? '');
}

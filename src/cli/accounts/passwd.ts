// Changes /etc/passwd and /etc/group, by the system's own programs, which take the system's own lock.

import { access, constants, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasErrno, sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';
import { type Account, localAccount, lookUpAccount } from '../host/accounts.ts';
import { runCommand, systemProgram } from '../host/command.ts';
import { lastLine } from '../host/sshd-settings.ts';

/** As long as somebody may hold the lock of /etc/passwd; it is given up in a moment by every program of the system. */
const lockPatienceMs = 15_000;
const retryMs = 250;
const untilWeEnd = ['--pdeathsig', 'KILL'] as const;

/** Throws CliFailure if the change does not take effect. */
export async function setShell(name: string, shell: string): Promise<void> {
  await change('usermod', ['--shell', shell, '--', name], `the login shell of ${name}`);
}

export async function joinGroup(name: string, group: string): Promise<void> {
  await change('usermod', ['--append', '--groups', group, '--', name], `the groups of ${name}`);
}

export async function leaveGroup(name: string, group: string): Promise<void> {
  await change('gpasswd', ['--delete', name, group], `the groups of ${name}`);
}

/**
 * The program is not in our process group: an interruption at the terminal must not stop it half way. It ends with us where we
 * are killed: who repairs what we have left would see what was there before, and the program change it afterwards. It
 * writes a new file, and puts that in place by a rename(2).
 */
async function change(program: string, args: readonly string[], what: string): Promise<void> {
  const path = systemProgram(program);
  const deadline = Date.now() + lockPatienceMs;
  for (;;) {
    const outcome =
      path === undefined
        ? undefined
        : await runCommand('setpriv', [...untilWeEnd, path, ...args], { detached: true });
    if (outcome?.status === 0) return;
    const why =
      outcome === undefined
        ? `this host has no ${path === undefined ? program : 'setpriv'}`
        : lastLine(outcome.stderr);
    if (outcome === undefined || !/lock/.test(outcome.stderr) || Date.now() > deadline) {
      throw new CliFailure({
        code: 'E_ACCOUNT',
        message: `${what} could not be changed: ${why}`,
        hint: 'See that /etc can be written, and that no other program holds the lock of /etc/passwd.',
        exitCode: sysexits.cantCreate,
      });
    }
    await sleep(retryMs);
  }
}

/** Waits until the name services show the change; a cache may need a moment, or to be told. */
export async function requireShell(account: Pick<Account, 'name'>, shell: string): Promise<void> {
  for (const program of ['nscd', 'sss_cache']) {
    const args = program === 'nscd' ? ['--invalidate=passwd'] : ['-U'];
    await runCommand(program, args);
  }
  const deadline = Date.now() + 5_000;
  let seen: string | undefined;
  do {
    seen = (await lookUpAccount(account.name))?.shell;
    if (seen === shell) return;
    await sleep(retryMs);
  } while (Date.now() < deadline);
  throw new CliFailure({
    code: 'E_ACCOUNT',
    message: `the login shell of ${account.name} is still ${seen ?? 'unknown'}`,
    hint: 'Another name service comes before /etc/passwd, or a cache (nscd, sssd) keeps the old one.',
    exitCode: sysexits.config,
  });
}

/** usermod would say that somebody holds a lock, and only after a while. */
export async function requireWritableEtc(): Promise<void> {
  try {
    await access('/etc', constants.W_OK);
  } catch (error) {
    if (!hasErrno(error, 'EROFS', 'EACCES')) throw error;
    throw new CliFailure({
      code: 'E_ACCOUNT',
      message: '/etc is read-only: no login shell can be changed',
      hint: 'Remount it, or let sshd do it: --how sshd needs only /etc/ssh.',
      exitCode: sysexits.cantCreate,
    });
  }
}

export async function isLocal({ name, uid }: Account): Promise<boolean> {
  return (await localAccount(name))?.uid === uid;
}

/** Whether the group is in /etc/group, which is what usermod can change. */
export async function isLocalGroup(group: string): Promise<boolean> {
  const text = await readFile('/etc/group', 'utf8');
  return text.split('\n').some((line) => line.startsWith(`${group}:`));
}

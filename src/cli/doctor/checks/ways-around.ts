// Checks programs of the host that run something for a user without any login, or that read what a user wrote.

import { existsSync } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../../../lib/errors.ts';
import { shellOperand, shellWord } from '../../../lib/text/shell-word.ts';
import { systemProgram } from '../../host/command.ts';
import { critical, type Finding, type HostCheck, ok, type UserCheck, warning } from '../check.ts';
import { policyOf, type Subject } from '../subject.ts';
import { isOlder, upstreamVersion } from './kernel.ts';

/** What programs of the host run, or obey, in a home. */
const runInHome = [
  { path: '.config/systemd/user', by: 'the systemd of the user' },
  { path: '.local/share/systemd/user', by: 'the systemd of the user' },
  { path: '.local/share/dbus-1/services', by: 'the D-Bus of the user' },
  { path: '.config/containers/systemd', by: 'quadlets' },
  { path: '.config/environment.d', by: 'the systemd of the user' },
  { path: '.forward', by: 'mail delivery' },
  { path: '.procmailrc', by: 'mail delivery' },
  { path: '.mailfilter', by: 'mail delivery' },
  { path: '.qmail', by: 'mail delivery' },
  { path: '.pam_environment', by: 'PAM' },
  { path: '.ssh/environment', by: 'sshd' },
] as const;

export const userWays: readonly UserCheck[] = [
  {
    id: 'home-host',
    group: 'ways around',
    what: 'no program of the host reads what is written inside',
    why: 'With home = host the user writes, from inside, files that systemd, cron, mail delivery and others of the host obey.',
    look: async (subject) => {
      if (policyOf(subject)?.home !== 'host') return ok('the sandbox has a home of its own');
      const { uid, name } = subject.account;
      const masked = await isMasked(`user@${uid}.service`);
      const fix = `Give ${name} a home of the sandbox's own (home = private)`;
      return masked
        ? warning('home = host; the systemd of the user is masked', `${fix}.`)
        : critical('home = host', `${fix}, or at least run: systemctl mask user@${uid}.service`);
    },
  },
  {
    id: 'home-leftovers',
    group: 'ways around',
    what: "the home on the host holds nothing that the host's programs run",
    why: 'What was put there before the account got its sandbox goes on being run on the host.',
    look: leftovers,
  },
  {
    id: 'linger',
    group: 'ways around',
    what: 'no lingering systemd of the user',
    why: 'With linger, systemd runs the units of the user from boot on, on the host.',
    look: ({ account }) =>
      existsSync(join('/var/lib/systemd/linger', account.name))
        ? critical('linger is on', `loginctl disable-linger ${shellOperand(account.name)}`)
        : ok('linger is off'),
  },
  {
    id: 'cron',
    group: 'ways around',
    what: 'no cron jobs of the user',
    why: 'cron runs them on the host.',
    look: ({ account: { name } }) => {
      const table = ['/var/spool/cron/crontabs', '/var/spool/cron', '/var/spool/cron/tabs']
        .map((folder) => join(folder, name))
        .find((file) => existsSync(file));
      if (table === undefined) return ok('there are none');
      return critical(
        `${table} is there`,
        `crontab -u ${shellWord(name)} -r, and put ${shellWord(name)} into /etc/cron.deny`,
      );
    },
  },
  {
    id: 'at',
    group: 'ways around',
    what: 'no at jobs of the user',
    why: 'at runs them on the host.',
    look: async ({ account: { uid, name } }) => {
      const jobs = await filesOf(uid, ['/var/spool/cron/atjobs', '/var/spool/at']);
      if (jobs.length === 0) return ok('there are none');
      const fix = `rm -- ${jobs.map(shellWord).join(' ')}, and put ${shellWord(name)} into /etc/at.deny`;
      return critical(`${jobs.length} in ${jobs[0] ?? ''}`, fix);
    },
  },
  {
    id: 'mail',
    group: 'ways around',
    what: 'mail to the user starts no program',
    why: 'A .forward file in the home may name a program that the mail server runs on the host.',
    look: (subject) => {
      const server = systemProgram('sendmail') ?? systemProgram('postfix') ?? systemProgram('exim4');
      if (server === undefined) return ok('there is no mail server');
      if (policyOf(subject)?.home !== 'host') return ok('the user cannot write the .forward of the host');
      return warning(
        `home = host, and there is ${server}`,
        'Switch .forward off in the mail server (postfix: forward_path =), or set home = private.',
      );
    },
  },
];

export const hostWays: readonly HostCheck[] = [
  {
    id: 'pam-environment',
    group: 'ways around',
    what: 'PAM reads no environment from homes',
    why: 'With user_readenv=1, ~/.pam_environment sets LD_PRELOAD and others for programs of the host.',
    run: async () => {
      const files = await pamFilesThatReadHomes();
      if (files.length === 0) return ok('no pam_env has user_readenv=1');
      return warning(files.join(', '), 'Take user_readenv=1 out of these files.');
    },
  },
  {
    id: 'kernel-overlay-holes',
    group: 'ways around',
    what: 'the kernel has no known hole that overlays open',
    why: 'CVE-2023-0386: copying up a setuid file of a layer made it setuid on the host.',
    run: async () => {
      const seen = await upstreamVersion();
      const fixed = !isOlder(seen, '6.2') || (seen.startsWith('6.1.') && !isOlder(seen, '6.1.9'));
      return fixed
        ? ok(`Linux ${seen}`)
        : critical(
            `Linux ${seen}`,
            'Run Linux 6.1.9 or later, or a kernel whose distributor says that CVE-2023-0386 is fixed in it.',
          );
    },
  },
];

/** Looked at by name alone: the home may be hostile. */
async function leftovers({ account, byShell }: Subject): Promise<Finding> {
  const home = await lstat(account.home).catch(tolerateAbsence);
  if (home === undefined || home.uid === 0) return ok("the home on the host is root's, or not there");
  const candidates = byShell ? runInHome : [...runInHome, { path: '.ssh/rc', by: 'sshd' } as const];
  const there = [];
  for (const candidate of candidates) {
    const info = await lstat(join(account.home, candidate.path)).catch(tolerateAbsence);
    if (info !== undefined) there.push(candidate);
  }
  if (there.length === 0) return ok('nothing of the kind is there');
  const names = there.map(({ path, by }) => `~/${path} (${by})`).join(', ');
  const files = there.map(({ path }) => shellWord(join(account.home, path))).join(' ');
  return warning(
    names,
    `Look at them and take them away: rm -r -- ${files}; or move the home into the sandbox: dockershctl user enable --files move`,
  );
}

function tolerateAbsence(error: unknown): undefined {
  if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EINVAL', 'EISDIR', 'ELOOP', 'ENAMETOOLONG'))
    return undefined;
  throw error;
}

async function isMasked(unit: string): Promise<boolean> {
  for (const folder of ['/etc/systemd/system', '/run/systemd/system']) {
    if ((await readlink(join(folder, unit)).catch(tolerateAbsence)) === '/dev/null') return true;
  }
  return false;
}

async function filesOf(uid: number, folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const folder of folders) {
    const names = (await readdir(folder).catch(tolerateAbsence)) ?? [];
    for (const name of names) {
      const info = await lstat(join(folder, name)).catch(tolerateAbsence);
      if (info?.isFile() === true && info.uid === uid) found.push(join(folder, name));
    }
  }
  return found;
}

async function pamFilesThatReadHomes(): Promise<string[]> {
  const names = (await readdir('/etc/pam.d').catch(tolerateAbsence)) ?? [];
  const found: string[] = [];
  for (const name of names) {
    const text = (await readFile(join('/etc/pam.d', name), 'utf8').catch(tolerateAbsence)) ?? '';
    if (/^[^#\n]*pam_env\.so[^\n]*\buser_readenv=1/m.test(text)) found.push(join('/etc/pam.d', name));
  }
  return found;
}

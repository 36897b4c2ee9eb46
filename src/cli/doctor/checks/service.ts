// Checks the policy, the daemon and the programs of this installation.

import { lstat, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../../../lib/errors.ts';
import { shellWord } from '../../../lib/text/shell-word.ts';
import { checkTrustedPath } from '../../../lib/trusted-path.ts';
import { version } from '../../../lib/version.ts';
import { describeFault } from '../../../policy/fault.ts';
import { formatProblem } from '../../../policy/problem.ts';
import { runCommand } from '../../host/command.ts';
import { nativePrograms } from '../../host/installation.ts';
import { critical, type Finding, type HostCheck, ok, unknown, warning } from '../check.ts';
import type { Context } from '../context.ts';

const silent = unknown('dockershd does not answer', 'Start dockershd.');

export const serviceChecks: readonly HostCheck[] = [
  {
    id: 'policy-valid',
    group: 'policy',
    what: 'the policy is valid, and only root can change it',
    why: 'After a broken edit the last good policy stays in force, and no further edit counts.',
    run: async (context) => {
      const { policy, problems } = await context.policy();
      const { config } = await context.paths();
      if (problems.length === 0) return ok(config);
      const found = problems.map(formatProblem).join('; ');
      const fix = `dockershctl policy check ${shellWord(config)}`;
      return policy === undefined ? critical(found, fix) : warning(found, fix);
    },
  },
  {
    id: 'policy-in-force',
    group: 'policy',
    what: 'the daemon goes by the policy that the files hold',
    why: 'It goes by the last good one while they are broken; where there is none, every login is refused.',
    run: async (context) => {
      const daemon = await context.daemon();
      if (!daemon.ok) return silent;
      const { policyFault, config } = daemon.health;
      if (policyFault === null) return ok(config);
      const found = [describeFault(policyFault), ...policyFault.problems].join('; ');
      return critical(found, `dockershctl policy check ${shellWord(config)}, and mend what it names`);
    },
  },
  {
    id: 'daemon-answers',
    group: 'daemon',
    what: 'dockershd answers',
    why: 'Without it no sandboxed user can log in.',
    run: async (context) => {
      const daemon = await context.daemon();
      return daemon.ok
        ? ok(`version ${daemon.version}`)
        : critical(daemon.problem, daemon.hint || 'Start dockershd.');
    },
  },
  {
    id: 'recordings-room',
    group: 'daemon',
    what: 'no session stands still for want of room for its recording',
    why: 'Where the disk is full, a session that has to be recorded shows and does nothing until there is room.',
    run: async (context) => {
      const daemon = await context.daemon();
      if (!daemon.ok) return silent;
      const { audit, recordingsWaiting: count } = daemon.health;
      if (count === 0) return ok('none does');
      const found = count === 1 ? 'a session stands still' : `${count} sessions stand still`;
      return critical(
        found,
        `Make room on the disk of ${audit}: dockershctl recordings ls, then recordings rm`,
      );
    },
  },
  {
    id: 'daemon-masked',
    group: 'daemon',
    what: 'none of the units is masked',
    why: 'systemd never starts a unit that is masked, and says of it that it does not exist.',
    run: masked,
  },
  {
    id: 'daemon-version',
    group: 'daemon',
    what: 'dockershd is of the version that is installed',
    why: 'After an update the old daemon serves until it is started again.',
    run: async (context) => {
      const daemon = await context.daemon();
      if (!daemon.ok) return silent;
      if (daemon.version === version) return ok(version);
      return warning(
        `it is ${daemon.version}, installed is ${version}`,
        'systemctl restart dockershd (sessions run on)',
      );
    },
  },
  {
    id: 'daemon-sockets',
    group: 'daemon',
    what: 'the sockets are where logins look for them, with the right modes',
    why: 'Whoever can write to the folder could take the place of the login service; whoever reaches the admin socket is root.',
    run: sockets,
  },
  {
    id: 'programs-trusted',
    group: 'programs',
    what: "dockersh's programs are there, and only root can change them",
    why: 'Root runs them, or every user does at login.',
    run: programs,
  },
  {
    id: 'package',
    group: 'programs',
    what: 'the package is installed completely',
    why: 'An installation that broke off may have left programs of two versions.',
    run: packageState,
  },
];

const units = [
  'dockershd.socket',
  'dockershd-admin.socket',
  'dockersh-sandboxes.service',
  'dockershd.service',
];

/** As systemctl(1) masks them. */
async function masked(): Promise<Finding> {
  const found = new Set<string>();
  for (const folder of ['/etc/systemd/system', '/run/systemd/system'])
    for (const unit of units) {
      const target = await readlink(join(folder, unit)).catch(tolerateNoLink);
      if (target === '/dev/null') found.add(unit);
    }
  if (found.size === 0) return ok('none is');
  const names = [...found].join(' ');
  const runtime = '(with --runtime where it was masked for this boot alone)';
  return critical(
    `masked: ${names}`,
    `systemctl unmask ${names} ${runtime}, then systemctl start ${units.join(' ')}`,
  );
}

/** EINVAL: a file, which is no mask. */
function tolerateNoLink(error: unknown): undefined {
  if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EINVAL')) return undefined;
  throw error;
}

const wantedModes = [
  { name: 'login.sock', mode: 0o666 },
  { name: 'admin.sock', mode: 0o600 },
  { name: 'exec.sock', mode: 0o600 },
] as const;

async function sockets(context: Context): Promise<Finding> {
  const daemon = await context.daemon();
  if (!daemon.ok) return unknown('dockershd does not answer', 'Start dockershd.');
  const { run } = daemon.health;
  const trust = await checkTrustedPath(run);
  if (!trust.ok)
    return critical(
      `${trust.path} ${trust.reason}`,
      `chown root: ${shellWord(trust.path)} && chmod go-w ${shellWord(trust.path)}`,
    );
  const folderMode = (await lstat(run)).mode & 0o777;
  if ((folderMode & 0o011) !== 0o011) {
    return critical(
      `${run} has mode 0${folderMode.toString(8)}: users do not reach the socket`,
      `chmod 0755 ${shellWord(run)}`,
    );
  }
  for (const { name, mode } of wantedModes) {
    const file = join(run, name);
    const info = await lstat(file).catch(tolerateAbsence);
    if (info?.isSocket() !== true)
      return critical(`${file} is no socket`, 'systemctl restart dockershd (sessions run on)');
    const seen = info.mode & 0o777;
    if (seen !== mode || info.uid !== 0) {
      return critical(
        `${file} has mode 0${seen.toString(8)} and belongs to uid ${info.uid}`,
        `chown root: ${shellWord(file)} && chmod 0${mode.toString(8)} ${shellWord(file)}`,
      );
    }
  }
  return ok(run);
}

async function programs(context: Context): Promise<Finding> {
  const { libexec } = await context.paths();
  const { client } = context;
  if (client === undefined)
    return critical('there is no login client', 'Install dockersh, or name the client with --client.');
  for (const file of [client, ...nativePrograms.map((name) => join(libexec, name))]) {
    const trust = await checkTrustedPath(file);
    if (!trust.ok) {
      const fix =
        trust.code === 'E_NOT_FOUND'
          ? 'Install dockersh again.'
          : `chown root: ${shellWord(trust.path)} && chmod go-w ${shellWord(trust.path)}`;
      return critical(`${trust.path} ${trust.reason}`, fix);
    }
  }
  const info = await lstat(client);
  if ((info.mode & 0o6000) !== 0)
    return critical(`${client} is setuid or setgid`, `chmod a-s ${shellWord(client)}`);
  if ((info.mode & 0o001) === 0)
    return critical(`${client} can't be run by users`, `chmod a+x ${shellWord(client)}`);
  return ok(`${client} and ${libexec}`);
}

async function packageState(): Promise<Finding> {
  const fields = ['db:Status-Status', 'Version'].map((field) => `\${${field}}`).join(' ');
  const outcome = await runCommand('dpkg-query', ['-W', '-f', fields, 'dockersh']);
  const [status = '', seen = ''] = (outcome?.status === 0 ? outcome.stdout : '').split(' ');
  if (status === '' || status === 'not-installed' || status === 'config-files')
    return ok('not installed as a package');
  if (status !== 'installed') return critical(`the package is ${status}`, 'dpkg --configure -a');
  const [upstream = ''] = seen.split(/[-+~]/);
  if (upstream === version) return ok(`version ${seen}`);
  return warning(
    `the package is ${seen}, this program is ${version}`,
    'Remove one of the two: script/uninstall, or apt remove dockersh.',
  );
}

function tolerateAbsence(error: unknown): undefined {
  if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
  throw error;
}

/** Of /etc/shells (shells(5)). */
export async function listShells(): Promise<string[]> {
  const text = (await readFile('/etc/shells', 'utf8').catch(tolerateAbsence)) ?? '';
  return text.split('\n').map((line) => line.replace(/#.*/, '').trim());
}

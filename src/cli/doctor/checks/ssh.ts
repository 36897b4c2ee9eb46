// Checks what sshd lets a user do beside their sandbox: forwards and files that sshd itself, or a program that it
// starts, handles on the host. ForceCommand limits none of them.

import { shellOperand, shellWord } from '../../../lib/text/shell-word.ts';
import type { SshdSettings } from '../../host/sshd-settings.ts';
import { critical, type Finding, ok, type UserCheck, unknown, warning } from '../check.ts';
import type { Context } from '../context.ts';
import { policyOf, type Subject } from '../subject.ts';

/** A check of sshd's effective configuration; a host without sshd passes it. */
function ofSshd(
  row: Omit<UserCheck, 'group' | 'look'>,
  judge: (settings: SshdSettings, subject: Subject, context: Context) => Finding,
): UserCheck {
  return {
    ...row,
    group: 'ways around',
    look: (subject, context) => {
      const { sshd } = subject;
      if (sshd.ok) return judge(sshd.settings, subject, context);
      if (sshd.absent) return ok(sshd.problem);
      return unknown(
        sshd.problem,
        context.isRoot ? `Correct ${context.sshd.config}: sshd -t names the line.` : 'Run doctor as root.',
      );
    },
  };
}

/** A line for the Match block that sshd-config makes. */
const inMatch = (line: string): string =>
  `Put "${line}" into sshd_config, for all or in the Match block of sandboxed users (dockershctl sshd-config has it), and reload sshd.`;

const inside = ok('the connection is in the sandbox (pam_dockersh.so)');

const forwardingOff = (settings: SshdSettings): boolean => settings.value('disableforwarding') === 'yes';

export const sshChecks: readonly UserCheck[] = [
  ofSshd(
    {
      id: 'ssh-enters',
      what: 'ssh logins go to dockersh',
      why: 'Neither the login shell nor ForceCommand leads anybody else into a sandbox.',
    },
    (settings, { account, byShell, byForce }, { client }) => {
      const forced = settings.value('forcecommand');
      if (/^internal-sftp\b/.test(forced)) {
        return critical(
          'ForceCommand is internal-sftp, which sshd runs itself, on the host',
          `Make it ForceCommand ${client ?? 'dockersh'}.`,
        );
      }
      if (byForce) return ok(byShell ? 'by login shell and ForceCommand' : 'by ForceCommand');
      if (byShell) return ok('by the login shell');
      return critical(
        `the login shell is ${account.shell} and ForceCommand is ${forced || 'none'}`,
        `dockershctl user enable ${shellOperand(account.name)}`,
      );
    },
  ),
  ofSshd(
    {
      id: 'ssh-host-shell',
      what: 'no shell of the host runs ForceCommand',
      why: "sshd runs ForceCommand as SHELL -c; a shell of the host's reads files and variables of the user first (bash: ~/.bashrc, BASH_ENV).",
    },
    (_, { account, byShell, byForce, joined }, { client = 'dockersh' }) =>
      byForce && !byShell && !joined
        ? critical(
            `the login shell is ${account.shell}`,
            `usermod --shell ${shellWord(client)} ${shellOperand(account.name)}; for accounts of a directory, override_shell = ${client} (sssd.conf) or "map passwd loginShell" (nslcd.conf)`,
          )
        : ok(
            joined && !byShell
              ? 'it has no home and sees nothing of the host’s (pam_dockersh.so)'
              : 'the login shell is dockersh, or ForceCommand is not used',
          ),
  ),
  ofSshd(
    {
      id: 'ssh-sftp',
      what: 'sftp runs inside',
      why: 'internal-sftp is part of sshd: it never runs the login shell, and shows the files of the host.',
    },
    (settings, { byForce }) => {
      const internal = settings.all('subsystem').filter((line) => /^\S+\s+internal-sftp\b/.test(line));
      if (internal.length === 0) return ok('subsystems are run by the login shell');
      if (byForce) return ok('ForceCommand comes before internal-sftp');
      // pam_dockersh.so lets no connection in with it: then nobody sees the host's files, nor anything else.
      return critical(
        `Subsystem ${internal[0] ?? ''}`,
        'Write "Subsystem sftp /usr/lib/openssh/sftp-server" in sshd_config, or use ForceCommand as well (dockershctl sshd-config), and reload sshd.',
      );
    },
  ),
  ofSshd(
    {
      id: 'ssh-module',
      what: "sshd's connections are in the sandbox as a whole",
      why: 'What sshd itself opens for a connection (forwards of ports and sockets, agents, X11) is on the host otherwise, or has to stay switched off.',
    },
    moduleInPlace,
  ),
  ofSshd(
    {
      id: 'ssh-socket-forwarding',
      what: "sockets of the host can't be reached by forwarding",
      why: "sshd connects to any socket as the user, e.g. to the user's D-Bus, and systemd-run --user then runs programs on the host.",
    },
    (settings, { joined }) =>
      joined
        ? inside
        : forwardingOff(settings) || settings.isNo('allowstreamlocalforwarding')
          ? ok('AllowStreamLocalForwarding is no')
          : critical(
              `AllowStreamLocalForwarding is ${settings.value('allowstreamlocalforwarding')}`,
              inMatch('AllowStreamLocalForwarding no'),
            ),
  ),
  ofSshd(
    {
      id: 'ssh-tcp-forwarding',
      what: "ports of the host can't be reached by forwarding",
      why: "sshd makes the connections of -L, -R and -D itself, in the host's network: services on the host's loopback are reached.",
    },
    tcpForwarding,
  ),
  ofSshd(
    {
      id: 'ssh-tunnel',
      what: "no network device is made by sshd's tunnels",
      why: "PermitTunnel joins the user's network with the host's.",
    },
    (settings) =>
      forwardingOff(settings) || settings.isNo('permittunnel')
        ? ok('PermitTunnel is no')
        : warning(`PermitTunnel is ${settings.value('permittunnel')}`, inMatch('PermitTunnel no')),
  ),
  ofSshd(
    {
      id: 'ssh-x11',
      what: 'sshd forwards no X11',
      why: "For X11 sshd listens on the host and runs xauth there as the user, with the user's files and variables.",
    },
    (settings, { joined }) =>
      joined
        ? inside
        : forwardingOff(settings) || settings.isNo('x11forwarding')
          ? ok('X11Forwarding is no')
          : warning('X11Forwarding is yes', inMatch('X11Forwarding no')),
  ),
  ofSshd(
    {
      id: 'ssh-user-rc',
      what: '~/.ssh/rc runs inside, or not at all',
      why: 'sshd has the login shell run it before every session that is not forced.',
    },
    (settings, { byShell, byForce }) => {
      if (settings.isNo('permituserrc')) return ok('PermitUserRC is no');
      if (byForce) return ok('sshd runs no ~/.ssh/rc where there is a ForceCommand');
      if (byShell) return ok('the login shell that runs it is dockersh');
      return critical(
        'PermitUserRC is yes, and the login shell is one of the host',
        inMatch('PermitUserRC no'),
      );
    },
  ),
  ofSshd(
    {
      id: 'ssh-user-environment',
      what: '~/.ssh/environment sets nothing on the host',
      why: 'LD_PRELOAD and BASH_ENV make programs that sshd starts on the host (a shell, xauth) run what they name.',
    },
    (settings) => {
      const value = settings.value('permituserenvironment');
      const patterns = value.split(',');
      if (settings.isNo('permituserenvironment')) return ok('PermitUserEnvironment is no');
      const bad = value === 'yes' ? dangerous : dangerous.filter((name) => matchesAny(name, patterns));
      return bad.length === 0
        ? ok(`PermitUserEnvironment is ${value}`)
        : critical(
            `PermitUserEnvironment is ${value}: ${bad.join(', ')}`,
            inMatch('PermitUserEnvironment no'),
          );
    },
  ),
  ofSshd(
    {
      id: 'ssh-accept-env',
      what: 'clients set no variable that programs of the host obey',
      why: 'As with ~/.ssh/environment, only that the client sends them.',
    },
    (settings, { byShell }) => {
      const patterns = settings.all('acceptenv').flatMap((line) => line.split(/\s+/));
      const bad = dangerous.filter((name) => matchesAny(name, patterns));
      if (bad.length === 0) return ok(`AcceptEnv ${patterns.join(' ')}`);
      const tell = byShell ? warning : critical;
      return tell(
        `AcceptEnv lets in ${bad.join(', ')}`,
        'Write "AcceptEnv LANG LC_*" in sshd_config and reload sshd.',
      );
    },
  ),
  ofSshd(
    {
      id: 'ssh-chroot',
      what: 'sshd changes no root folder',
      why: "In a ChrootDirectory there is neither dockersh nor the socket of its service: nobody gets in, or somebody else's program is run.",
    },
    (settings) =>
      settings.isNo('chrootdirectory')
        ? ok('ChrootDirectory is none')
        : warning(`ChrootDirectory is ${settings.value('chrootdirectory')}`, inMatch('ChrootDirectory none')),
  ),
];

function moduleInPlace(settings: SshdSettings, { account, joined, module }: Subject): Finding {
  if (joined) return ok('pam_dockersh.so is in sshd’s PAM service');
  const install = 'dockershctl sshd-module --install';
  if (module.kind === 'wrong') return critical(`pam_dockersh.so: ${module.why}`, install);
  if (module.kind === 'no module')
    return critical(
      'the PAM service of sshd names a pam_dockersh.so that is not there',
      'Install dockersh again.',
    );
  const open = opened(settings);
  if (open.length === 0) return ok('pam_dockersh.so is not in use; sshd opens nothing on the host');
  const found = `${open.join(', ')} ${open.length === 1 ? 'is' : 'are'} the host’s`;
  if (module.kind === 'there')
    return critical(
      `pam_dockersh.so does not name ${account.name}: ${found}`,
      `dockershctl sshd-config --install --user ${shellOperand(account.name)}`,
    );
  const usePam =
    module.kind === 'no service' ? 'Write "UsePAM yes" in sshd_config, reload sshd, and run: ' : '';
  return critical(`pam_dockersh.so is missing: ${found}`, `${usePam}${install}`);
}

/** What sshd opens for a connection, by these settings. */
function opened(settings: SshdSettings): string[] {
  if (forwardingOff(settings)) return [];
  return [
    ...(settings.isNo('allowtcpforwarding') ? [] : ['ports (-L, -R, -D, -W)']),
    ...(settings.isNo('allowstreamlocalforwarding') ? [] : ['sockets (-L, -R)']),
    ...(settings.isNo('x11forwarding') ? [] : ['X11']),
  ];
}

function tcpForwarding(settings: SshdSettings, subject: Subject): Finding {
  if (subject.joined) return inside;
  const value = settings.value('allowtcpforwarding');
  const open = ['yes', 'all', 'local'].includes(value) && settings.value('permitopen') !== 'none';
  const listen = ['yes', 'all', 'remote'].includes(value) && settings.value('permitlisten') !== 'none';
  if (forwardingOff(settings) || (!open && !listen)) return ok('no TCP forwarding');
  if (policyOf(subject)?.network.kind === 'host') return ok("the sandbox is in the host's network by policy");
  return warning(`AllowTcpForwarding is ${value}`, inMatch('AllowTcpForwarding no'));
}

/** Variables by which a program can be made to run, load or find something else. */
const dangerous = [
  'LD_PRELOAD',
  'LD_LIBRARY_PATH',
  'LD_AUDIT',
  'LD_DEBUG_OUTPUT',
  'GLIBC_TUNABLES',
  'GCONV_PATH',
  'LOCPATH',
  'BASH_ENV',
  'SHELLOPTS',
  'PS4',
  'ENV',
  'PATH',
  'HOME',
  'SHELL',
  'NODE_OPTIONS',
  'XAUTHORITY',
];

/** Patterns of ssh_config(5): * and ?, and ! for those that it is not. */
export function matchesAny(name: string, patterns: readonly string[]): boolean {
  const matches = (pattern: string): boolean =>
    new RegExp(
      `^${pattern
        .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
    ).test(name);
  const negated = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1));
  return !negated.some(matches) && patterns.some((pattern) => !pattern.startsWith('!') && matches(pattern));
}

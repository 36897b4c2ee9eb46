// dockershd's command line.

import path from 'node:path';
import { Command, Option } from 'commander';
import { defaultFolder } from '../lib/audit/files.ts';
import { type LogLevel, logLevels } from '../lib/log.ts';
import { type AbsolutePath, resolved } from '../lib/values/absolute-path.ts';
import { lxcfsFolder, lxcfsPidFile } from '../lib/values/lxcfs.ts';
import { version } from '../lib/version.ts';

export interface DaemonOptions {
  readonly config: AbsolutePath;
  readonly state: AbsolutePath;
  readonly run: AbsolutePath;
  readonly libexec: AbsolutePath;
  readonly cgroup: string;
  readonly sshdConfig: AbsolutePath;
  readonly audit: AbsolutePath;
  readonly lxcfs: AbsolutePath;
  readonly lxcfsPid: AbsolutePath;
  readonly logLevel: LogLevel;
  readonly logFile?: AbsolutePath;
  readonly stopSandboxesOnExit: boolean;
  readonly withdraw: boolean;
}

/** Beside the bundle when installed; the build folder in a checkout. */
function defaultLibexec(): string {
  const here = import.meta.dirname;
  return path.basename(here) === 'dist' ? path.join(here, '..', 'build') : here;
}

/** The man page is made from it as well. */
export function daemonCommand(): Command {
  return new Command('dockershd')
    .description('gives every login of dockersh its sandbox; runs in the foreground and logs JSON to stderr')
    .version(version)
    .option('--config <file>', 'the policy', resolved, resolved('/etc/dockersh/dockersh.ini'))
    .option('--state <folder>', 'images and what users keep', resolved, resolved('/var/lib/dockersh'))
    .option('--run <folder>', 'sockets', resolved, resolved('/run/dockersh'))
    .addOption(
      new Option('--libexec <folder>', 'the native programs')
        .argParser(resolved)
        .default(defaultLibexec(), "the daemon's own folder"),
    )
    .option('--cgroup <name>', 'of our folder in every cgroup hierarchy', 'dockersh')
    .option(
      '--sshd-config <file>',
      "sshd's configuration, of which internal-sftp must be no part",
      resolved,
      resolved('/etc/ssh/sshd_config'),
    )
    .option('--audit <folder>', 'the audit trail', resolved, resolved(defaultFolder))
    .option('--lxcfs <folder>', 'what lxcfs serves, where it runs', resolved, resolved(lxcfsFolder))
    .option('--lxcfs-pid <file>', 'with the number of its process', resolved, resolved(lxcfsPidFile))
    .addOption(new Option('--log-level <level>').choices(logLevels).default('info'))
    .option('--log-file <file>', 'instead of stderr', resolved)
    .option('--stop-sandboxes-on-exit', 'leave nothing running; for throw-away daemons', false)
    .option(
      '--withdraw',
      "put back what private networks have changed of the host's, and end; only without sandboxes",
      false,
    );
}

export function parseOptions(argv: readonly string[]): DaemonOptions {
  return daemonCommand().parse(argv).opts<DaemonOptions>();
}

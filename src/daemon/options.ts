// dockershd's command line.

import path from 'node:path';
import { Command, Option } from 'commander';
import { type LogLevel, logLevels } from '../lib/log.ts';
import { version } from '../lib/version.ts';

export interface DaemonOptions {
  readonly config: string;
  readonly state: string;
  readonly run: string;
  readonly libexec: string;
  readonly cgroup: string;
  readonly logLevel: LogLevel;
  readonly logFile?: string;
  readonly stopSandboxesOnExit: boolean;
}

/** Beside the bundle when installed; the build folder in a checkout. */
function defaultLibexec(): string {
  const here = import.meta.dirname;
  return path.basename(here) === 'dist' ? path.join(here, '..', 'build') : here;
}

const absolute = (value: string): string => path.resolve(value);

/** The man page is made from it as well. */
export function daemonCommand(): Command {
  return new Command('dockershd')
    .description('gives every login of dockersh its sandbox; runs in the foreground and logs JSON to stderr')
    .version(version)
    .option('--config <file>', 'the policy', absolute, '/etc/dockersh/dockersh.ini')
    .option('--state <folder>', 'images and what users keep', absolute, '/var/lib/dockersh')
    .option('--run <folder>', 'sockets', absolute, '/run/dockersh')
    .addOption(
      new Option('--libexec <folder>', 'the native programs')
        .argParser(absolute)
        .default(defaultLibexec(), "the daemon's own folder"),
    )
    .option('--cgroup <name>', 'of our folder in every cgroup hierarchy', 'dockersh')
    .addOption(new Option('--log-level <level>').choices(logLevels).default('info'))
    .option('--log-file <file>', 'instead of stderr', absolute)
    .option('--stop-sandboxes-on-exit', 'leave nothing running; for throw-away daemons', false);
}

export function parseOptions(argv: readonly string[]): DaemonOptions {
  return daemonCommand().parse(argv).opts<DaemonOptions>();
}

// dockershctl version: prints the versions of this program, of the daemon, and of what the daemon runs on.

import type { Command } from 'commander';
import type { Console } from './console.ts';

export function addVersion(program: Command, console: () => Console, ownVersion: string): void {
  program
    .command('version')
    .description('show the versions of this program and of the daemon')
    .action(async () => {
      const cli = console();
      const daemon = await cli.call('version', {});
      cli.show({ dockershctl: ownVersion, dockershd: daemon }, (versions) =>
        [
          `dockershctl ${versions.dockershctl}`,
          `dockershd   ${daemon.version}`,
          `node        ${daemon.node}`,
          `kernel      ${daemon.kernel}`,
          `cgroups     ${daemon.cgroup}`,
          '',
        ].join('\n'),
      );
    });
}

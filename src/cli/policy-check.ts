// dockershctl policy check: what the daemon would say about a policy file, without the daemon.

import type { Command } from 'commander';
import { sysexits } from '../lib/errors.ts';
import { loadPolicyFile, type Problem } from '../policy/policy.ts';
import type { Console } from './console.ts';
import { printable } from './table.ts';

export const defaultPolicyFile = '/etc/dockersh/dockersh.ini';

export function addPolicyCheck(
  policy: Command,
  console: () => Console,
  setStatus: (status: number) => void,
): void {
  policy
    .command('check')
    .description('check a policy file')
    .argument('[file]', 'the file', defaultPolicyFile)
    .action(async (file: string) => {
      const cli = console();
      const { problems } = await loadPolicyFile(file);
      const valid = problems.every(({ severity }) => severity !== 'error');
      cli.show({ file, valid, problems }, () =>
        [...problems.map(describe), `${printable(file)}: ${valid ? 'valid' : 'not valid'}\n`].join(''),
      );
      if (!valid) setStatus(sysexits.config);
    });
}

function describe({ severity, file, line, column, message, hint }: Problem): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(':');
  const advice = hint === undefined ? '' : ` (${hint})`;
  return `${printable(`${place}: ${severity}: ${message}${advice}`)}\n`;
}

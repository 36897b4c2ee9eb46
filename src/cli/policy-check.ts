// dockershctl policy check: what the daemon would say about a policy file, without the daemon.

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type ErrorCode, errorCatalogue } from '../lib/errors.ts';
import { loadPolicyFile } from '../policy/load.ts';
import { parsePolicy } from '../policy/parse.ts';
import { formatProblem, type Problem } from '../policy/problem.ts';
import type { Console } from './console.ts';
import { printable } from './table.ts';

const daemonsFile = '/etc/dockersh/dockersh.ini';

export function addPolicyCheck(
  policy: Command,
  console: () => Console,
  setStatus: (status: number) => void,
): void {
  policy
    .command('check')
    .description('check a policy file')
    .argument('[file]', 'the file', daemonsFile)
    .action(async (file: string) => {
      const cli = console();
      const problems = await problemsOf(resolve(file));
      const fault = problems.find(({ severity }) => severity === 'error');
      const valid = fault === undefined;
      cli.show({ file, valid, problems }, () =>
        [...problems.map(formatProblem), `${file}: ${valid ? 'valid' : 'not valid'}`]
          .map((line) => `${printable(line)}\n`)
          .join(''),
      );
      if (fault !== undefined) setStatus(errorCatalogue[fault.code ?? 'E_POLICY_INVALID'].exitCode);
    });
}

/** A draft that lies where others can write is still checked: that it lies there is only a warning. */
async function problemsOf(file: string): Promise<Problem[]> {
  const { problems } = await loadPolicyFile(file);
  const untrusted: ErrorCode = 'E_UNTRUSTED_PATH';
  const fault = problems.find(({ code }) => code === untrusted);
  if (fault === undefined || file === daemonsFile) return [...problems];
  const draft = parsePolicy(await readFile(file, 'utf8'), file);
  return [{ ...fault, severity: 'warning' }, ...draft.problems];
}

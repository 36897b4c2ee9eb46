// dockershctl maintenance status: shows which lines of the policy close logins, whoever has written them, and for whom
// they stay open.

import { sysexits } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import { loadPolicyFile } from '../../policy/parse/load.ts';
import type { Policy } from '../../policy/policy.ts';
import { formatProblem } from '../../policy/problem.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { warnOfFault } from './fault.ts';

interface Line {
  /** As its header says: "defaults", "group:lab". */
  readonly section: string;
  /** What users read; null: these get in all the same. */
  readonly message: string | null;
  readonly file: string;
  readonly line: number;
}

export async function showMaintenance(cli: Console): Promise<void> {
  const { config, policyFault } = await cli.call('health', {});
  warnOfFault(cli, policyFault);
  const { policy, problems } = await loadPolicyFile(config);
  if (policy === undefined) {
    throw new CliFailure({
      code: 'E_POLICY_INVALID',
      message: problems.map(formatProblem).join('; '),
      hint: 'Correct it first: dockershctl policy check.',
      exitCode: sysexits.config,
    });
  }
  const lines = linesOf(policy);
  cli.show({ on: lines.some(({ message }) => message !== null), lines, policyFault }, ({ on }) =>
    on ? lines.map(textOf).join('') : 'logins are open\n',
  );
}

/** Of the lines of one section, the last one counts. */
function linesOf({ defaults, imageSections, groups, userGlobs, users }: Policy): Line[] {
  const named = [...imageSections, ...groups, ...userGlobs].map(({ section }) => section);
  const sections = new Set([...defaults, ...named, ...[...users.values()].flat()]);
  const lines = new Map<string, Line>();
  for (const { name, settings } of sections) {
    const setting = settings.get('maintenance');
    if (setting === undefined) continue;
    const { text, file, line } = setting;
    lines.set(name, { section: name, message: text === 'none' ? null : text, file, line });
  }
  return [...lines.values()];
}

function textOf({ section, message, file, line }: Line): string {
  const who = section === 'defaults' ? 'logins' : `logins of [${section}]`;
  const what = message === null ? 'are open all the same' : `are closed: ${message}`;
  return `${printable(`${who} ${what} (${file}:${line})`)}\n`;
}

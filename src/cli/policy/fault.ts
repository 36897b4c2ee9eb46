// Warns, on every verb that it concerns, that the daemon does not go by the policy in the files.

import { printable } from '../../lib/text/printable.ts';
import { describeFault } from '../../policy/fault.ts';
import type { AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';

type Fault = AdminResult<'ps'>['policyFault'];

export function faultLines(fault: Fault): string[] {
  if (fault === null) return [];
  return [`ATTENTION: ${describeFault(fault)} ("dockershctl policy check" names what is wrong).`];
}

/** On standard error: what is listed on standard output keeps its form. */
export function warnOfFault(cli: Console, fault: Fault): void {
  if (cli.options.json) return; // it is in the result
  cli.stderr.write(
    faultLines(fault)
      .map((line) => `${printable(line)}\n`)
      .join(''),
  );
}

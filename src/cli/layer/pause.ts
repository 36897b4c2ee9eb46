// Tells, for commit and snapshot, how long a running sandbox stood still while its files were read.

import { Option } from 'commander';
import type { Console } from '../console.ts';

export function noPauseOption(): Option {
  return new Option(
    '--no-pause',
    'read the files while the sandbox runs, half-written ones too, instead of pausing it',
  );
}

/** On stderr: what was asked for goes to stdout. */
export function tellPause(
  cli: Console,
  { user, pausedMs }: { readonly user: string; readonly pausedMs: number | null },
): void {
  if (pausedMs === null || cli.options.json) return;
  cli.stderr.write(`the sandbox of ${user} stood still for ${(pausedMs / 1000).toFixed(2)} s\n`);
}

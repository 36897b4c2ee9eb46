// Finds the folder that the audit trail is in.

import { defaultFolder } from '../../lib/audit/files.ts';
import { type AbsolutePath, resolved } from '../../lib/values/absolute-path.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';

/** Where the daemon writes it; where none answers, the usual place. */
export async function trailFolder(cli: Console, named: AbsolutePath | undefined): Promise<AbsolutePath> {
  if (named !== undefined) return named;
  try {
    return resolved((await cli.call('health', {})).audit);
  } catch (error) {
    if (error instanceof CliFailure) return resolved(defaultFolder);
    throw error;
  }
}

// Finds the users whom a command means (those that are named, or with --all everybody who has a sandbox), and checks the
// text that they are told.

import { InvalidArgumentError } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { notice } from '../../protocol/admin-fields.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';

/** `id`: a name, or the uid of a sandbox whose account may be gone. */
export interface Chosen {
  readonly id: string;
  readonly name: string;
}

/** Throws CliFailure where both or neither are given. */
export async function chosenUsers(
  cli: Console,
  users: readonly string[],
  all: boolean,
  verb: string,
): Promise<Chosen[]> {
  if (all === users.length > 0) {
    throw new CliFailure({
      code: 'E_USAGE',
      message: all ? '--all is for every user: name none beside it' : 'no user is named',
      hint: `Run dockershctl ${verb} --help.`,
      exitCode: sysexits.usage,
    });
  }
  if (!all) return [...new Set(users)].map((name) => ({ id: name, name }));
  const { sandboxes } = await cli.call('ps', {});
  return sandboxes.map(({ uid, user }) => ({ id: String(uid), name: user }));
}

/** Text for terminals, as the daemon takes it. */
export function noticeOption(text: string): string {
  const parsed = notice.safeParse(text.trim());
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(`the text ${parsed.error.issues[0]?.message ?? 'is not accepted'}.`);
}

// Runs the long verbs that can be asked to run on by themselves: with the option --detach nobody waits for them, and
// "dockershctl operations" shows how far they are.

import { Option } from 'commander';
import type { AdminParams, AdminResult, AdminVerb } from '../protocol/admin.ts';
import type { Console } from './console.ts';
import { type ProgressOptions, progressDisplay } from './progress.ts';

export interface LongOptions extends Partial<ProgressOptions> {
  detach?: true;
}

export function detachOption(): Option {
  return new Option('--detach', 'do not wait: it runs on, and "dockershctl operations" shows how far it is');
}

/** Undefined where it was told to run on, which has been shown then. */
export async function callLong<Verb extends AdminVerb>(
  cli: Console,
  verb: Verb,
  params: AdminParams<Verb>,
  { detach, progress = 'quiet' }: LongOptions,
): Promise<AdminResult<Verb> | undefined> {
  if (detach === true) {
    const operation = await cli.detach(verb, params);
    cli.show({ operation }, () => `operation ${operation} runs on; see "dockershctl operations"\n`);
    return undefined;
  }
  using display = progressDisplay(cli, { progress });
  return await cli.call(verb, params, { onProgress: (step) => display.show(step) });
}

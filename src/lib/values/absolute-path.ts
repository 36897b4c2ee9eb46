// Names what is an absolute path of the host, so that the compiler takes no name, text or path inside a sandbox's folder for
// one. Strings become such paths where they come in: from the command line, the policy, files, and by the protocol.

import path from 'node:path';
import * as z from 'zod';

export const AbsolutePath = z
  .string()
  .max(4096)
  .regex(/^\/[^\0]*$/, 'must be an absolute path')
  .brand<'AbsolutePath'>();
export type AbsolutePath = z.infer<typeof AbsolutePath>;

/** Of a path that somebody has named, from where this process is. */
export function resolved(named: string): AbsolutePath {
  return path.resolve(named) as AbsolutePath;
}

/** What is called that in the folder, or in one below it. */
export function below(folder: AbsolutePath, ...names: readonly string[]): AbsolutePath {
  return path.join(folder, ...names) as AbsolutePath;
}

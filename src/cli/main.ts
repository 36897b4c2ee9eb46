// dockershctl, the administrator's tool. Runs as whoever called it, which for most verbs must be root:
// it talks to dockershd over a socket that only root reaches, and holds no privilege of its own.

import { hasErrno } from '../lib/errors.ts';
import { version } from '../lib/version.ts';
import { runCli } from './program.ts';

export { runCli, version };

// Tests import the bundle instead, and run many command lines in one process.
if (import.meta.main) {
  // A reader that has seen enough ("dockershctl ps | head -1") is no failure.
  process.stdout.on('error', (error) => {
    if (!hasErrno(error, 'EPIPE')) throw error;
  });
  const environment = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };
  // No await here: the installed program is bundled as a script, which has none at its top.
  void runCli(process.argv.slice(2), environment, version).then((status) => {
    process.exitCode = status;
  });
}

// dockershctl, the administrator's tool. Runs as whoever called it, which for most verbs must be root:
// it talks to dockershd over a socket that only root reaches, and holds no privilege of its own.

import { hasErrno } from '../lib/errors.ts';
import { version } from '../lib/version.ts';
import { runCli } from './program.ts';

// A reader that has seen enough ("dockershctl ps | head -1") is no failure.
process.stdout.on('error', (error) => {
  if (!hasErrno(error, 'EPIPE')) throw error;
});

const environment = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };
process.exitCode = await runCli(process.argv.slice(2), environment, version);

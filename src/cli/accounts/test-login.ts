// Logs in the way that a user does: runs the login client as the user, through the daemon, into the sandbox.

import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';
import { runCommand } from '../host/command.ts';
import type { Plan } from './plan.ts';

/** A first start may unpack and copy; a login that takes longer is none that a user would wait for. */
const patienceMs = 120_000;

/** Throws CliFailure with what the user would have read. */
export async function testLogin(
  { account }: Pick<Plan, 'account'>,
  shell: string,
  options: { readonly again?: boolean; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const token = randomBytes(12).toString('hex');
  const outcome = await runCommand(shell, ['-c', `echo ${token}`], {
    uid: account.uid,
    gid: account.gid,
    argv0: basename(shell),
    env: { HOME: account.home, USER: account.name, LOGNAME: account.name, SHELL: shell, TERM: 'dumb' },
    timeoutMs: patienceMs,
    detached: true,
    signal: options.signal,
  });
  options.signal?.throwIfAborted();
  if (outcome?.status === 0 && outcome.stdout.split('\n').includes(token)) return;
  // The policy may allow fewer logins than one a second; that it is said is the daemon's word all the same.
  if (options.again && outcome?.stderr.includes('[E_LOGIN_RATE') === true) return;
  const seen = outcome?.stderr.trim().replaceAll('\n', ' ') ?? 'the login client is missing';
  throw new CliFailure({
    code: 'E_TEST_LOGIN',
    message: `a login of ${account.name} does not work: ${seen === '' ? `status ${outcome?.status ?? 'unknown'}` : seen}`,
    hint: 'See "dockershctl doctor", and the log of dockershd for the session that it names.',
    exitCode: sysexits.unavailable,
  });
}

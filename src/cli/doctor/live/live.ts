// dockershctl doctor --user NAME --live: logs in as the user by the real sshd, tries every way around the sandbox that
// leads through sshd, and says what it has reached.

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { sysexits } from '../../../lib/errors.ts';
import { printable } from '../../../lib/text/printable.ts';
import type { Console } from '../../console.ts';
import { CliFailure } from '../../failure.ts';
import { findAccount } from '../../host/accounts.ts';
import { runCommand } from '../../host/command.ts';
import { type SshdQuestion, type SshdSettings, sshdSettings } from '../../host/sshd-settings.ts';
import { TemporaryKey } from './key.ts';
import { type Ground, type Way, ways } from './ways.ts';

export interface LiveOptions {
  readonly sshd: SshdQuestion;
  readonly port: string | undefined;
  readonly identity: string | undefined;
  readonly quiet: boolean;
  readonly ignore: readonly string[];
}

interface Answer {
  readonly id: string;
  readonly what: string;
  readonly state: 'closed' | 'found';
  readonly found: string;
}

export const wayIds: readonly string[] = ways.map(({ id }) => id);

/** The exit status: 0 where all is closed, 2 where something was reached. Throws CliFailure where nobody gets in. */
export async function tryLive(cli: Console, user: string, options: LiveOptions): Promise<number> {
  if (process.geteuid?.() !== 0) throw failure('only root may log in as others', sysexits.noPerm);
  const account = await findAccount(user);
  const answer = await sshdSettings(account, options.sshd);
  if (!answer.ok) throw failure(answer.problem, sysexits.unavailable);
  const folder = await mkdtemp('/run/dockersh-live-');
  try {
    await chmod(folder, 0o755);
    const { name, uid, gid } = account;
    await using key =
      options.identity === undefined
        ? await TemporaryKey.place(account, answer.settings, folder)
        : { identity: options.identity, [Symbol.asyncDispose]: async () => {} };
    const ground = groundOf(
      { name, uid, gid },
      folder,
      key.identity,
      options.port ?? portOf(answer.settings),
    );
    await requireLogin(ground);
    const tried = ways.filter(({ id }) => !options.ignore.includes(id));
    return show(cli, await attemptAll(tried, ground), options.quiet);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Somebody who interrupts leaves no key behind: the rest is not tried. */
async function attemptAll(tried: readonly Way[], ground: Ground): Promise<Answer[]> {
  const answers: Answer[] = [];
  let goesOn = true;
  const stop = (): void => {
    goesOn = false;
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  for (const { id, what, attempt } of tried) {
    if (!goesOn) throw failure('it was interrupted', sysexits.tempFail);
    const found = await attempt(ground);
    answers.push({ id, what, state: found === undefined ? 'closed' : 'found', found: found ?? '' });
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.removeListener(signal, stop);
  return answers;
}

const portOf = (settings: SshdSettings): string => settings.value('port') || '22';

function groundOf(user: Ground['user'], folder: string, identity: string, port: string): Ground {
  const words = [
    'IdentitiesOnly=yes',
    'BatchMode=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'GlobalKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'ConnectTimeout=20',
    'ControlPath=none',
  ];
  const options = ['-F', 'none', '-i', identity, ...words.flatMap((word) => ['-o', word])];
  const target = `${user.name}@127.0.0.1`;
  return {
    user,
    folder,
    options: [...options, '-P', port],
    target,
    ssh: async (more, command) =>
      await runCommand(
        'ssh',
        [...options, '-p', port, ...more, target, ...(command === undefined ? [] : ['--', command])],
        { timeoutMs: 20_000, env: { DISPLAY: '127.0.0.1:99' } },
      ),
  };
}

/** Otherwise all would look closed. */
async function requireLogin({ ssh, user }: Ground): Promise<void> {
  const outcome = await ssh([], 'echo in');
  if (outcome?.status === 0 && outcome.stdout.includes('in')) return;
  const said = outcome === undefined ? 'this host has no ssh client' : outcome.stderr.trim();
  throw failure(`a login of ${user.name} by ssh does not work: ${said}`, sysexits.unavailable);
}

function failure(why: string, exitCode: number): CliFailure {
  return new CliFailure({
    code: 'E_LIVE',
    message: `doctor --live: ${why}`,
    hint: 'Nothing was found out. Name sshd’s port with --port, or a key that lets the user in with --identity.',
    exitCode,
  });
}

function show(cli: Console, answers: readonly Answer[], quiet: boolean): number {
  const reached = answers.filter(({ state }) => state === 'found').length;
  const status = reached > 0 ? 2 : 0;
  const shown = quiet ? answers.filter(({ state }) => state === 'found') : answers;
  const lines = shown.map(({ id, what, state, found }) => {
    const head = `${(state === 'found' ? 'FOUND!' : 'closed').padEnd(10)}  ${id.padEnd(22)}  ${what}`;
    return `${printable(state === 'found' ? `${head}; reached: ${found}` : head)}\n`;
  });
  cli.show({ status, ways: shown }, () => `${lines.join('')}${answers.length} ways: ${reached} found\n`);
  return status;
}

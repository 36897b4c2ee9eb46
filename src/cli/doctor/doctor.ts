// dockershctl doctor: checks whether this host can hold what dockersh promises, and every known way around it.

import type { Command } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { defaultQuestion } from '../host/sshd-settings.ts';
import { type CheckResult, type State, statusOf } from './check.ts';
import { Context } from './context.ts';
import { attackUser } from './doctor-attack.ts';
import { tryLive, wayIds } from './live/live.ts';
import { checkIds, examine } from './run.ts';

interface Options {
  user?: string;
  attack?: string;
  live?: true;
  port?: string;
  identity?: string;
  exec?: string;
  sshdConfig: string;
  from: string;
  client?: string;
  config?: string;
  state?: string;
  ignore: string[];
  quiet: boolean;
}

export function addDoctor(
  program: Command,
  console: () => Console,
  setStatus: (status: number) => void,
): void {
  program
    .command('doctor')
    .description('check the host, and every known way around the sandbox')
    .option('--user <name>', 'check this account instead of all that have a sandbox')
    .option('--attack <user>', "attack this user's sandbox from inside instead, by harmless attacks only")
    .option('--live', 'log in as the --user by ssh instead, and try the ways around that lead through sshd')
    .option('--port <number>', "sshd's port, for --live (default: as its configuration says)")
    .option(
      '--identity <file>',
      'a private key that lets the user in, for --live (default: one of its own, for a moment)',
    )
    .option('--ignore <id…>', 'checks or attacks that may fail, separated by commas', listOf, [])
    .option('--quiet', 'show only what is wrong', false)
    .option('--from <address>', 'where logins come from, for "Match Address"', defaultQuestion.from)
    .option('--sshd-config <file>', "sshd's configuration", defaultQuestion.config)
    .option('--client <path>', 'the login client, where it is not in the usual place')
    .option('--exec <path>', 'the dockersh-exec for --attack, where it is not beside this program')
    .option('--config <file>', 'the policy (default: as dockershd says)')
    .option('--state <folder>', 'the state (default: as dockershd says)')
    .addHelpText(
      'after',
      '\nThe exit status is 0 when all is well, 1 with warnings, 2 with critical findings, 3 when something\ncould not be found out: as monitoring plugins have it.',
    )
    .action(async (options: Options) => {
      const cli = console();
      if (options.attack !== undefined) {
        const { exec, quiet, ignore } = options;
        setStatus(await attackUser(cli, options.attack, { exec, quiet, ignore }));
        return;
      }
      const { sshdConfig, from, client, config, state, user } = options;
      if (options.live) {
        const { port, identity, quiet, ignore } = options;
        for (const id of ignore) requireCheck(id, wayIds);
        const sshd = { config: sshdConfig, from: '127.0.0.1' };
        setStatus(await tryLive(cli, requireUser(user), { sshd, port, identity, quiet, ignore }));
        return;
      }
      for (const id of options.ignore) requireCheck(id, checkIds);
      const context = Context.of(cli, { sshd: { config: sshdConfig, from }, client, config, state });
      const results = (await examine(context, user)).filter(({ id }) => !options.ignore.includes(id));
      const shown = options.quiet ? results.filter((result) => result.state !== 'ok') : results;
      const status = statusOf(results);
      cli.show({ status, checks: shown }, () => shown.map(describe).join('') + summary(results));
      setStatus(status);
    });
}

function listOf(text: string, before: string[]): string[] {
  return [...before, ...text.split(',').filter((id) => id !== '')];
}

function requireUser(user: string | undefined): string {
  if (user !== undefined) return user;
  throw new CliFailure({
    code: 'E_USAGE',
    message: '--live needs a --user',
    hint: 'Name an account that has a sandbox.',
    exitCode: sysexits.usage,
  });
}

function requireCheck(id: string, known: readonly string[]): void {
  if (known.includes(id)) return;
  throw new CliFailure({
    code: 'E_USAGE',
    message: `--ignore ${id}: there is no such check`,
    hint: `There are: ${known.join(', ')}.`,
    exitCode: sysexits.usage,
  });
}

function label({ group, state }: CheckResult): string {
  const words: Record<State, string> =
    group === 'ways around'
      ? { ok: 'closed', warning: 'FOUND', critical: 'FOUND!', unknown: "can't tell" }
      : { ok: 'ok', warning: 'WARNING', critical: 'CRITICAL', unknown: "can't tell" };
  return words[state].padEnd(10);
}

function describe(result: CheckResult): string {
  const { id, what, why, state, found, fix, users } = result;
  const who = users.length === 0 ? '' : ` [${shorten(users)}]`;
  const head = `${label(result)}  ${id.padEnd(22)}  ${state === 'ok' ? `${what}: ` : ''}${found}${who}`;
  const more = state === 'ok' ? [] : [`want: ${what}`, `why:  ${why}`, `do:   ${fix ?? ''}`];
  return [head, ...more.map((line) => `${' '.repeat(12)}${line}`)]
    .map((line) => `${printable(line)}\n`)
    .join('');
}

const mostNames = 3;

function shorten(users: readonly string[]): string {
  const rest = users.length - mostNames;
  return rest <= 0 ? users.join(', ') : `${users.slice(0, mostNames).join(', ')} and ${rest} more`;
}

function summary(results: readonly CheckResult[]): string {
  const count = (state: State): number => results.filter((result) => result.state === state).length;
  return `${results.length} checks: ${count('critical')} critical, ${count('warning')} warnings, ${count('unknown')} unknown\n`;
}

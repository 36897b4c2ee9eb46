// dockershctl maintenance: closes logins with a message. It is a file of the policy like any other, so that it
// lasts over restarts and everything that explains the policy shows it.

import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Argument, type Command } from 'commander';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { sysexits } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import { parseHeader } from '../../policy/parse/header.ts';
import { loadPolicyFile } from '../../policy/parse/load.ts';
import { formatProblem } from '../../policy/problem.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { lookUpGroup } from '../host/accounts.ts';
import { awaitPolicy } from './in-force.ts';
import { showMaintenance } from './maintenance-status.ts';

interface Options {
  message: string;
  for?: string;
}

const heading = '; Made by "dockershctl maintenance on"; "dockershctl maintenance off" takes it away.';
const defaultMessage = 'this host is being worked on; try again later';

export function addMaintenance(program: Command, console: () => Console): void {
  program
    .command('maintenance')
    .description('refuse new logins with a message; open sessions and exec go on')
    .addArgument(new Argument('<state>').choices(['on', 'off', 'status']))
    .option('--message <text>', 'what users read', defaultMessage)
    .option('--for <group>', 'only for members of this group')
    .addHelpText(
      'after',
      '\nAccounts that the policy exempts, and those with "maintenance = none" of their own, get in all the same.',
    )
    .action(async (state: 'on' | 'off' | 'status', options: Options) => {
      const cli = console();
      if (state === 'status') {
        await showMaintenance(cli);
        return;
      }
      const { config } = await cli.call('health', {});
      // After all others: the last one of a kind counts.
      const file = join(dirname(config), 'conf.d', 'zz-maintenance.ini');
      if (state === 'off') await rm(file, { force: true });
      else await close(cli, file, config, options);
      const { message, for: group } = options;
      const on = state === 'on';
      cli.show({ on, message: on ? message : null, group: on ? (group ?? null) : null, file }, () => {
        if (!on) return 'logins are open\n';
        const who = group === undefined ? 'logins are' : `logins of ${group} are`;
        return `${printable(`${who} closed: ${message}`)}\n`;
      });
    });
}

/** Takes the file away again where it does not come out as it should. */
async function close(
  cli: Console,
  file: string,
  config: string,
  { message, for: group }: Options,
): Promise<void> {
  const section = group === undefined ? 'defaults' : await sectionOf(group);
  if (message.trim() === '' || message.trim() === 'none' || /\p{Cc}/u.test(message)) {
    throw usage('the message must be one line of text, and not "none"');
  }
  const text = [heading, `[${section}]`, `maintenance = ${quoted(message)}`, ''].join('\n');
  await mkdir(dirname(file), { recursive: true, mode: 0o755 });
  await writeFileAtomic(file, text, 0o644);
  const { policy, problems } = await loadPolicyFile(config);
  if (policy !== undefined && (await isInForce(cli, file, message, group))) return;
  await rm(file, { force: true });
  throw new CliFailure({
    code: 'E_POLICY_INVALID',
    message: problems.map(formatProblem).join('; ') || 'dockershd does not go by it',
    hint: 'The policy is broken, so that no change of it counts. Correct it first: dockershctl policy check.',
    exitCode: sysexits.config,
  });
}

/** Whether the file is in force for a user whom it concerns; true if no such user can be listed. */
async function isInForce(
  cli: Console,
  file: string,
  message: string,
  group: string | undefined,
): Promise<boolean> {
  const user = group === undefined ? 'dockersh-maintenance' : (await lookUpGroup(group))?.members[0];
  if (user === undefined) return true;
  const { came } = await awaitPolicy(cli, user, 'maintenance', ({ value, from, overrode }) => {
    const ours = [...from, ...overrode].some((source) => source.file === file);
    // An account with "maintenance = none" of its own still gets in.
    return ours && (value === message || from.at(-1)?.file !== file);
  });
  return came;
}

async function sectionOf(group: string): Promise<string> {
  const header = parseHeader(`group:${group}`);
  const plain = 'kind' in header && header.kind === 'group' && header.names.exact[0] === group;
  if (!plain || /[[\]\n;#]/.test(group))
    throw usage(`the policy has no section that means exactly group ${group}`);
  if ((await lookUpGroup(group)) !== undefined) return `group:${group}`;
  throw new CliFailure({
    code: 'E_NOT_FOUND',
    message: `this host knows no group ${group}`,
    hint: 'Check the name: getent group.',
    exitCode: sysexits.noInput,
  });
}

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;

function usage(message: string): CliFailure {
  return new CliFailure({
    code: 'E_USAGE',
    message,
    hint: 'Run dockershctl maintenance --help.',
    exitCode: sysexits.usage,
  });
}

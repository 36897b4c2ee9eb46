// dockershctl doctor --attack USER: attacks the user's sandbox from inside, with what can hurt nobody, and says what
// held.

import { join } from 'node:path';
import { sysexits } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { findAccount } from '../host/accounts.ts';
import { isExecutable } from '../host/command.ts';
import { libexecFolder } from '../host/installation.ts';
import { findProgram, socketArgs } from '../sandbox/exec.ts';
import { type Attack, type AttackAnswer, listAttacks, type Place, runAttacks } from './attack.ts';
import { statusOf } from './check.ts';

export interface AttackOptions {
  readonly exec: string | undefined;
  readonly quiet: boolean;
  readonly ignore: readonly string[];
}

/** The exit status: 0 where everything held, 2 where something is open, 3 where something could not be tried. */
export async function attackUser(cli: Console, user: string, options: AttackOptions): Promise<number> {
  const program = join(libexecFolder(), 'dockersh-attack');
  requireRoot(program);
  const table = await listAttacks(program);
  requireAttacks(table, options.ignore);
  await findAccount(user);
  const exec = options.exec ?? findProgram(libexecFolder());
  const execArgs = socketArgs(cli);
  const answers: AttackAnswer[] = [];
  for (const place of await placesOf(cli, user)) {
    answers.push(...(await runAttacks({ exec, execArgs, program, user, place, chosen: 'harmless' })));
  }
  const counted = answers.filter(({ name }) => !options.ignore.includes(name));
  const shown = counted.filter(({ result }) => !options.quiet || result !== 'held');
  const status = statusOf(counted.map(({ result }) => ({ state: states[result] })));
  const attacks = shown.map((answer) => ({ ...rowOf(table, answer), ...answer }));
  cli.show({ status, attacks }, () => attacks.map(describe).join('') + summary(counted));
  return status;
}

const states = { held: 'ok', open: 'critical', unattempted: 'unknown' } as const;
const labels = { held: 'held', open: 'OPEN', unattempted: "can't tell" } as const;

/** As the user, and as root of a namespace of theirs. Nobody can be made the sandbox's root from outside. */
async function placesOf(cli: Console, user: string): Promise<Place[]> {
  const { keys, refused } = await cli.call('policy.explain', { user });
  if (refused !== null) {
    throw new CliFailure({
      code: refused.code,
      message: `${user}: logins are refused, so there is nothing to attack: ${refused.why}`,
      exitCode: sysexits.noPerm,
    });
  }
  const given = (name: string): boolean => keys.some(({ key, value }) => key === name && value === 'yes');
  if (given('nesting')) {
    return given('root') ? ['both:user', 'both:nested'] : ['nesting:user', 'nesting:nested'];
  }
  return given('root') ? ['root:user'] : ['plain:user'];
}

function requireRoot(program: string): void {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot && isExecutable(program)) return;
  throw new CliFailure({
    code: isRoot ? 'E_NOT_FOUND' : 'E_ACCESS',
    message: isRoot ? `there is no program ${program}` : 'doctor --attack: only root may enter sandboxes',
    hint: isRoot ? 'Install dockersh again.' : 'Run it as root.',
    exitCode: isRoot ? sysexits.noInput : sysexits.noPerm,
  });
}

function requireAttacks(table: readonly Attack[], names: readonly string[]): void {
  const strange = names.find((name) => !table.some((attack) => attack.name === name));
  if (strange === undefined) return;
  throw new CliFailure({
    code: 'E_USAGE',
    message: `--ignore ${strange}: there is no such attack`,
    hint: `"dockersh-attack list", beside this program, has their names.`,
    exitCode: sysexits.usage,
  });
}

function rowOf(table: readonly Attack[], { name }: AttackAnswer): Pick<Attack, 'tries' | 'must'> {
  const attack = table.find((one) => one.name === name);
  return { tries: attack?.tries ?? '', must: attack?.must ?? '' };
}

/** What the program says has been in the user's hands, so nothing of it may act on the terminal. */
function describe({
  name,
  place,
  tries,
  must,
  result,
  detail,
}: AttackAnswer & Pick<Attack, 'tries' | 'must'>) {
  const more = result === 'held' ? '' : `; must: it ${must}; found: ${detail}`;
  return `${printable(`${labels[result].padEnd(10)}  ${name.padEnd(26)}  ${place}: ${tries}${more}`)}\n`;
}

function summary(answers: readonly AttackAnswer[]): string {
  const count = (result: AttackAnswer['result']): number =>
    answers.filter((answer) => answer.result === result).length;
  return `${answers.length} attacks: ${count('held')} held, ${count('open')} open, ${count('unattempted')} could not be tried\n`;
}

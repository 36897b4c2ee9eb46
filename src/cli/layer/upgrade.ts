// dockershctl upgrade: puts users' layers on what the names of their images mean now, after showing what that comes to, and
// back on the images before.

import type { Command } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { shortDigest } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Column } from '../../lib/text/table.ts';
import type { AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { CliFailure, toCliFailure } from '../failure.ts';

interface Options {
  all?: true;
  group?: string;
  image?: string;
  dryRun?: true;
  rollback?: true;
  yes?: true;
}

type Plan = AdminResult<'upgrade.plan'>['users'][number];
type Outcome =
  | AdminResult<'upgrade'>
  | { readonly user: string; readonly error: { readonly code: string; readonly message: string } };

const columns: Column[] = [
  { header: 'USER' },
  { header: 'IMAGE' },
  { header: 'FROM' },
  { header: 'TO' },
  { header: 'WHEN' },
  { header: 'HIDDEN', align: 'right' },
];

export function addUpgrade(
  program: Command,
  console: () => Console,
  setStatus: (status: number) => void,
): void {
  program
    .command('upgrade')
    .description("have users' sandboxes take the newer image at their next start; their changes stay on top")
    .usage('[options] <user>... | --all | --group <group> | --image <image>')
    .argument('[user...]', 'names of accounts')
    .option('--all', 'everybody whose image has a newer one')
    .option('--group <group>', 'those of them who are in this group')
    .option('--image <image>', 'those of them whose image this is')
    .option('--dry-run', 'show what would be done, and which files of the users would hide the newer ones')
    .option('--rollback', 'back to the image before the last upgrade; the changes stay on top')
    .option('-y, --yes', 'do not ask for confirmation')
    .action(async (users: string[], options: Options) => {
      const cli = console();
      requireChoice(users, options);
      const plans = await plansOf(cli, users, options);
      if (options.dryRun === true) {
        cli.show({ users: plans }, () => textOf(cli, plans, options));
        return;
      }
      const isOne = users.length === 1 && chosen(options) === 0;
      const meant = isOne ? plans : plans.filter(({ why }) => why === null);
      if (meant.length > 0) await agree(cli, meant, users.length > 0, options);
      const verb = options.rollback === true ? 'upgrade.back' : 'upgrade';
      if (isOne && plans[0] !== undefined) {
        cli.show(await cli.call(verb, { user: plans[0].user }), told);
        return;
      }
      const failures = plans
        .filter(({ why }) => why !== null)
        .map(({ user, why }) => failed(user, why ?? ''));
      const outcomes = [...failures, ...(await each(cli, meant, verb))];
      cli.show({ users: outcomes }, () => outcomes.map(told).join('') || 'nobody has an older image\n');
      if (outcomes.some((one) => 'error' in one)) setStatus(sysexits.unavailable);
    });
}

const chosen = ({ all, group, image }: Options): number =>
  [all, group, image].filter((one) => one !== undefined).length;

function requireChoice(users: readonly string[], options: Options): void {
  if (users.length > 0 ? chosen(options) === 0 : chosen(options) > 0 && !(options.all && chosen(options) > 1))
    return;
  throw new CliFailure({
    code: 'E_USAGE',
    message: 'name users, or say --all, or --group or --image',
    hint: 'Run dockershctl upgrade --help.',
    exitCode: sysexits.usage,
  });
}

/** Of those who are meant by a group or an image, only whom it makes a difference to. */
async function plansOf(
  cli: Console,
  users: readonly string[],
  { group, image, rollback }: Options,
): Promise<Plan[]> {
  const params = {
    ...(users.length === 0 ? {} : { users: [...new Set(users)] }),
    ...(group === undefined ? {} : { group }),
    ...(image === undefined ? {} : { image }),
  };
  const { users: plans } = await cli.call('upgrade.plan', params);
  if (users.length > 0) return plans;
  // Who has not taken the newest yet would be put back on what is older still.
  const isMeantNow = ({ upgraded, before }: Plan): boolean =>
    rollback === true ? before !== null && !upgraded : upgraded;
  return plans.filter((plan) => plan.why !== null || isMeantNow(plan));
}

/** At a terminal whoever is there has the last word; elsewhere --yes has, where nobody was named. */
async function agree(
  cli: Console,
  plans: readonly Plan[],
  isNamed: boolean,
  options: Options,
): Promise<void> {
  if (options.yes === true || !plans.some((plan) => isMeant(plan, options))) return;
  const atTerminal = cli.stdin?.isTTY === true && cli.stderr.isTTY === true;
  if (isNamed && !atTerminal) return;
  if (atTerminal) cli.stderr.write(textOf(cli, plans, options));
  const whom = `${plans.length} ${plans.length === 1 ? 'user' : 'users'}`;
  const what = options.rollback === true ? 'puts the image before' : 'puts the newer image';
  await cli.confirm(`This ${what} below the changes of ${whom}, from the next start of their sandboxes on.`);
}

const isMeant = ({ upgraded, before }: Plan, { rollback }: Options): boolean =>
  rollback === true ? before !== null : upgraded;

async function each(
  cli: Console,
  plans: readonly Plan[],
  verb: 'upgrade' | 'upgrade.back',
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { user } of plans) {
    try {
      outcomes.push(await cli.call(verb, { user }));
    } catch (error) {
      const failure = toCliFailure(error);
      if (failure.code === 'E_DAEMON_DOWN' || failure.code === 'E_ACCESS') throw failure;
      outcomes.push({ user, error: { code: failure.code, message: failure.message } });
    }
  }
  return outcomes;
}

function failed(user: string, message: string): Outcome {
  return { user, error: { code: 'E_NOT_FOUND', message } };
}

function textOf(cli: Console, plans: readonly Plan[], options: Options): string {
  if (plans.length === 0) return 'nobody has an older image\n';
  const table = cli.table(
    columns,
    plans.map((plan) => rowOf(plan, options)),
  );
  return table + plans.map((plan) => (options.rollback === true ? '' : hiddenText(plan))).join('');
}

function rowOf(plan: Plan, options: Options): string[] {
  const { user, image, from, to, before, running, shadowed, why } = plan;
  if (why !== null) return [user, '-', '-', '-', why, '-'];
  const short = (digest: string | null): string => (digest === null ? '-' : shortDigest(digest));
  const target = options.rollback === true ? before : to;
  const when = !isMeant(plan, options) ? 'has it' : running ? 'at the next start' : 'at the next login';
  return [user, image ?? '-', short(from), short(target), when, String(shadowed.count)];
}

/** What will not be the newer image's, because the user has another one of it. */
function hiddenText({ user, shadowed: { count, examples, packages } }: Plan): string {
  if (count === 0) return '';
  const lines = [
    `${user} keeps ${count} files that hide newer ones of the image:`,
    ...examples.map((file) => `    ${file}`),
  ];
  if (count > examples.length) lines.push(`    and ${count - examples.length} more`);
  if (packages)
    lines.push(
      '    The database of packages is one: inside, those of the older image are listed as installed.',
    );
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function told(outcome: Outcome): string {
  const { user } = outcome;
  if ('error' in outcome)
    return `${printable(`${user}: ${outcome.error.message} [${outcome.error.code}]`)}\n`;
  const { image, from, to, upgraded, running } = outcome;
  const name = printable(image);
  if (!upgraded) return `${user} has the newest ${name} already (${shortDigest(to)})\n`;
  const before = from === null ? '' : `, after ${shortDigest(from)}`;
  const when = running ? 'when the sandbox next starts' : 'from the next login on';
  return `${user} gets ${name} ${shortDigest(to)}${before}, ${when}\n`;
}

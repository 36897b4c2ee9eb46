// dockershctl user: every verb about accounts and their sandboxes.

import { Argument, type Command, Option } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import { shellWord } from '../../lib/text/shell-word.ts';
import type { Console } from '../console.ts';
import { Context } from '../doctor/context.ts';
import { examineUsers } from '../doctor/run.ts';
import { subjectOf } from '../doctor/subject.ts';
import { CliFailure } from '../failure.ts';
import { findAccount } from '../host/accounts.ts';
import { defaultQuestion } from '../host/sshd-settings.ts';
import { addExport } from './archive/export.ts';
import { addImport } from './archive/import.ts';
import { type DisableOptions, isStillForced, planDisable, workOfDisabling } from './disable.ts';
import { type EnableOptions, isIn, planEnable, workOfEnabling } from './enable.ts';
import { addForget, addRename } from './folders.ts';
import { findInstallation } from './installation.ts';
import { repairAll, repairFirst } from './repair.ts';
import { perform } from './transaction.ts';
import { addUserLs } from './user-ls.ts';

interface Places {
  readonly client?: string;
  readonly state?: string;
}

export function addUser(program: Command, console: () => Console): void {
  const user = program.command('user').description('give accounts a sandbox, take it away, show who has one');
  addEnable(user, console);
  addDisable(user, console);
  addUserLs(user, console);
  addRescue(user, console);
  addRepair(user, console);
  addForget(user, console);
  addRename(user, console);
  addExport(user, console);
  addImport(user, console);
}

const withPlaces = (command: Command): Command =>
  command
    .option('--sshd-config <file>', "sshd's main file", defaultQuestion.config)
    .option('--client <path>', 'the login client, where it is not in the usual place')
    .option('--state <folder>', 'the state, where dockershd does not run');

function addEnable(user: Command, console: () => Console): void {
  withPlaces(user.command('enable'))
    .description('give an account a sandbox, with a test login; if a step fails, undo everything')
    .argument('<name>', 'name of the account')
    .option('--group <group>', 'make the account a member of this group first')
    .addOption(
      new Option('--home <kind>', 'private: a home inside the sandbox; host: the one on the host').choices([
        'private',
        'host',
      ]),
    )
    .option('--image <name>', 'the image of the sandbox (default: as the policy says)')
    .addOption(
      new Option(
        '--files <how>',
        'what becomes of the files in the home on the host (default: copy)',
      ).choices(['copy', 'move', 'keep']),
    )
    .addOption(
      new Option('--how <way>', 'make dockersh the login shell, or have sshd force it').choices([
        'shell',
        'sshd',
      ]),
    )
    .option('--force', 'go on even while programs of the account run on the host', false)
    .addHelpText(
      'after',
      `
copy   the sandbox gets a copy of the files; the home on the host stays
move   the files move into the sandbox; the home on the host becomes an empty stub of root's
keep   the files stay on the host; the sandbox starts with an empty home`,
    )
    .action(async (name: string, options: EnableOptions & Places) => {
      const cli = console();
      requireRoot();
      const installation = await findInstallation(cli, options);
      await repairFirst(installation, cli);
      const account = await findAccount(name);
      const known = await installation.books.enabled(account.uid);
      if (known?.plan.account.name === account.name && (await isIn(known.plan))) {
        cli.show(
          { user: account.name, changed: false },
          () => `${printable(account.name)} has a sandbox already\n`,
        );
        return;
      }
      const plan = await planEnable(account, options, installation);
      const work = workOfEnabling(installation, plan, options.force);
      await perform(installation.books, { kind: 'enable', plan }, work, teller(cli));
      const open = await openWays(cli, account.name, options);
      cli.show({ user: account.name, changed: true, how: plan.how, files: plan.files, open }, () =>
        [
          `${account.name} has a sandbox: a login works`,
          ...(plan.how === 'sshd' || plan.keys !== 'host'
            ? ['sshd goes by it when it has read its configuration: systemctl reload ssh']
            : []),
          ...(open.length === 0
            ? []
            : [
                `Ways around it are open: ${open.map(({ id }) => id).join(', ')}`,
                `What to do about each: dockershctl doctor --user ${shellWord(account.name)}`,
              ]),
        ]
          .map((line) => `${printable(line)}\n`)
          .join(''),
      );
    });
}

/** What doctor would say about the account by now. */
async function openWays(
  cli: Console,
  name: string,
  { sshdConfig, client, state }: EnableOptions & Places,
): Promise<{ id: string; found: string; fix: string }[]> {
  const sshd = { ...defaultQuestion, config: sshdConfig };
  const context = Context.of(cli, { sshd, client, config: undefined, state });
  const results = await examineUsers(context, [await subjectOf(await findAccount(name), context)]);
  return results
    .filter(
      ({ group, state: seen }) => group === 'ways around' && (seen === 'warning' || seen === 'critical'),
    )
    .map(({ id, found, fix = '' }) => ({ id, found, fix }));
}

function addDisable(user: Command, console: () => Console): void {
  withPlaces(user.command('disable'))
    .description('take the sandbox away from an account, and restore its shell, files and policy')
    .argument('<name>', 'name of the account')
    .option('--shell <path>', 'the login shell (default: the one before enable, else /bin/bash)')
    .addOption(new Option('--files <how>', 'keep: files that were moved inside stay there').choices(['keep']))
    .action(async (name: string, options: DisableOptions & Places) => {
      const cli = console();
      requireRoot();
      const installation = await findInstallation(cli, options);
      await repairFirst(installation, cli);
      const account = await findAccount(name);
      const plan = await planDisable(account, options, installation);
      await perform(
        installation.books,
        { kind: 'disable', plan },
        workOfDisabling(installation, plan),
        teller(cli),
      );
      const { shell } = plan.account;
      const forced = await isStillForced(account, plan);
      cli.show({ user: account.name, shell, files: plan.files, forced }, () =>
        [
          forced
            ? `${account.name} still lands in a sandbox: sshd forces ${plan.client} on a group of theirs, or on everybody (dockershctl sshd-config)`
            : `${account.name} has no sandbox any more`,
          ...(plan.how === 'shell' ? [`login shell: ${shell}`] : []),
          `What was changed inside is kept, for another time: dockershctl user export ${shellWord(account.name)} FILE writes it into a file, dockershctl user forget ${shellWord(account.name)} --force removes it.`,
        ]
          .map((line) => `${printable(line)}\n`)
          .join(''),
      );
    });
}

function addRescue(user: Command, console: () => Console): void {
  user
    .command('rescue')
    .description('start the sandbox of an account from the rescue image, or from its own again')
    .argument('<name>', 'name of the account')
    .addArgument(new Argument('<state>').choices(['on', 'off']))
    .action(async (name: string, state: 'on' | 'off') => {
      const cli = console();
      const result = await cli.call('account.rescue', { user: name, on: state === 'on' });
      cli.show(result, ({ user: account, on, image, stopped }) => {
        const what = on ? `starts from ${image ?? ''}, the rescue image` : 'starts from its own image again';
        const now = stopped ? ' (it was stopped)' : '';
        return `${printable(`the sandbox of ${account} ${what}, from the next login on${now}`)}\n`;
      });
    });
}

function addRepair(user: Command, console: () => Console): void {
  withPlaces(user.command('repair'))
    .description('complete or undo a user enable or disable that was killed')
    .action(async (options: Places) => {
      const cli = console();
      requireRoot();
      const repaired = await repairAll(await findInstallation(cli, options));
      cli.show({ repaired }, () =>
        repaired.length === 0
          ? 'nothing is unfinished\n'
          : repaired
              .map(({ user: name, kind, outcome }) => `${printable(name)}: ${kind} was ${outcome}\n`)
              .join(''),
      );
    });
}

/** Steps go to standard error, so that the result on standard output stays one. */
const teller =
  ({ stderr, options }: Console) =>
  (text: string): void => {
    if (!options.json) stderr.write(`${printable(text)}\n`);
  };

function requireRoot(): void {
  if (process.geteuid?.() === 0) return;
  throw new CliFailure({
    code: 'E_ACCESS',
    message: 'only root can change accounts',
    hint: 'Run dockershctl as root.',
    exitCode: sysexits.noPerm,
  });
}

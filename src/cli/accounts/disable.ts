// Disables an account: takes back everything that enabling did, as it was written down then.

import { sysexits } from '../../lib/errors.ts';
import { shellOperand } from '../../lib/text/shell-word.ts';
import { samePath } from '../doctor/subject.ts';
import { CliFailure } from '../failure.ts';
import type { Account } from '../host/accounts.ts';
import { defaultQuestion, sshdSettings } from '../host/sshd-settings.ts';
import { installedEntries } from '../sshd/change.ts';
import { placeOf } from '../sshd/trial.ts';
import { removeAside } from './home.ts';
import type { Installation } from './installation.ts';
import type { Plan } from './plan.ts';
import { exitStep, groupStep, homeBackStep, keysStep, policyStep, stopStep } from './steps.ts';
import type { Work } from './transaction.ts';

export interface DisableOptions {
  readonly shell?: string | undefined;
  readonly files?: 'keep' | undefined;
  readonly sshdConfig: string;
}

/** Throws CliFailure if the account's sandbox does not come from "user enable". */
export async function planDisable(
  account: Account,
  options: DisableOptions,
  { books, client, libexec, daemonRuns }: Installation,
): Promise<Plan> {
  const { name, uid, gid, home, shell } = account;
  const enabled = await books.enabled(uid);
  if (enabled !== undefined && enabled.plan.account.name !== name) throw notTheirs(account, enabled.plan);
  const plan = enabled?.plan ?? {
    account: { name, uid, gid, home, shell: options.shell ?? '/bin/bash' },
    client,
    how: samePath(shell, client) ? ('shell' as const) : await requireNamed(name, options.sshdConfig),
    sshdConfig: options.sshdConfig,
    keys: 'host' as const,
    group: null,
    policy: null,
    files: 'none' as const,
    home: null,
    before: { folder: true, privateHome: true, range: true },
    libexec,
  };
  const files = options.files === 'keep' ? 'none' : plan.files;
  if (files === 'move' && !daemonRuns) {
    throw new CliFailure({
      code: 'E_DAEMON_DOWN',
      message: `the files of ${name} are in the sandbox, and dockershd, which would give them back, is not running`,
      hint: 'Start it, or leave them there for now: --files keep.',
      exitCode: sysexits.unavailable,
    });
  }
  return { ...plan, files, account: { ...plan.account, shell: options.shell ?? plan.account.shell } };
}

/** Files of somebody else's would be moved to the home of whoever has their uid. */
function notTheirs({ name, uid }: Account, { account: { name: owner } }: Plan): CliFailure {
  const words = [owner, name].map(shellOperand).join(' ');
  return new CliFailure({
    code: 'E_OWNER',
    message: `under uid ${uid} it was the account ${owner} that was given a sandbox, not ${name}`,
    hint: `If ${owner} is gone for good: dockershctl user forget ${uid}. If ${owner} is called ${name} by now: dockershctl user rename ${words}.`,
    exitCode: sysexits.dataErr,
  });
}

async function requireNamed(name: string, sshdConfig: string): Promise<'sshd'> {
  const entries = await installedEntries(placeOf(sshdConfig));
  if (entries.some((entry) => entry.kind === 'user' && entry.name === name)) return 'sshd';
  throw new CliFailure({
    code: 'E_NOT_FOUND',
    message: `${name} has no sandbox by its login shell, nor by name in sshd's configuration`,
    hint: 'A group may have it: dockershctl user ls, dockershctl sshd-config --remove --group NAME.',
    exitCode: sysexits.noInput,
  });
}

export function workOfDisabling({ cli, books, daemonRuns }: Installation, plan: Plan): Work {
  const tools = { cli, plan };
  return {
    steps: [
      exitStep(tools),
      ...keysStep(tools, false),
      ...groupStep(tools, false),
      ...policyStep(tools, false),
      ...(daemonRuns ? [stopStep(tools)] : []),
      ...homeBackStep(tools),
    ],
    // What was begun is taken back: the user is in until it is done.
    isInForce: async () => false,
    finish: async () => {
      const { uid, name } = plan.account;
      if (plan.files === 'move' && plan.home !== null) {
        await removeAside(plan, plan.home);
        await cli.call('account.discard', { user: name, home: true, folder: false, range: false });
      }
      await books.setEnabled(uid, undefined);
    },
  };
}

/** Whether sshd sends the account into a sandbox all the same, by a group of theirs or a rule of the administrator's. */
export async function isStillForced(account: Account, { client, sshdConfig }: Plan): Promise<boolean> {
  const answer = await sshdSettings(account, { ...defaultQuestion, config: sshdConfig });
  const [program = ''] = answer.ok ? answer.settings.value('forcecommand').split(' ') : [];
  return program !== '' && samePath(program, client);
}

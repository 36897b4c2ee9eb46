// Enables an account: checked first, written down as a plan, then done as a whole or not at all.

import { lstat, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrno, sysexits } from '../../lib/errors.ts';
import { shellOperand } from '../../lib/text/shell-word.ts';
import { parseHeader } from '../../policy/parse/header.ts';
import { samePath } from '../doctor/subject.ts';
import { CliFailure } from '../failure.ts';
import { type Account, groupsOf, lookUpAccount, lookUpGroup } from '../host/accounts.ts';
import { installedEntries } from '../sshd/change.ts';
import { requireWritable } from '../sshd/drop-in.ts';
import { placeOf } from '../sshd/trial.ts';
import { planHome, removeAside } from './home.ts';
import type { Installation } from './installation.ts';
import { isLocal, isLocalGroup, requireWritableEtc } from './passwd.ts';
import type { Plan } from './plan.ts';
import { endIdleManager, processesOf } from './processes.ts';
import {
  entranceStep,
  firstLoginStep,
  groupStep,
  keysStep,
  policyStep,
  stateStep,
  type Tools,
} from './steps.ts';
import type { Step, Work } from './transaction.ts';

export interface EnableOptions {
  readonly group?: string | undefined;
  readonly home?: 'private' | 'host' | undefined;
  readonly image?: string | undefined;
  readonly files?: 'copy' | 'move' | 'keep' | undefined;
  readonly how?: 'shell' | 'sshd' | undefined;
  readonly sshdConfig: string;
  readonly force: boolean;
}

const refuse = (message: string, hint: string, exitCode: number = sysexits.dataErr): CliFailure =>
  new CliFailure({ code: 'E_ACCOUNT', message, hint, exitCode });

/** Throws CliFailure if enabling the account is known to fail. */
export async function planEnable(
  account: Account,
  options: EnableOptions,
  installation: Installation,
): Promise<Plan> {
  const { client, cli, config, libexec } = installation;
  const { name, uid, gid, home, shell } = account;
  if (uid === 0) throw refuse('root never gets a sandbox', 'dockersh is for the other accounts.');
  const how = options.how ?? 'shell';
  if (how === 'shell') await requireLocal(account);
  else requireWritable({ kind: 'user', name });
  if (!options.force) await requireNobody(account);
  const look = await cli.call('account.look', { user: String(uid) });
  if (look.user !== name)
    throw refuse(`uid ${uid} is ${look.user} as well`, 'Give every account a uid of its own.');
  if (look.exempt) {
    throw refuse(
      `the policy exempts ${name} from sandboxes`,
      'Take "exempt = yes" away first: dockershctl policy explain.',
    );
  }
  const wantedHome = options.home ?? look.policy?.home ?? 'private';
  if (wantedHome === 'private' && look.homeProblem !== null) {
    throw refuse(
      look.homeProblem,
      'The policy says where private homes are kept: dockershctl policy explain.',
    );
  }
  const files = filesFor(options.files, wantedHome, look.privateHome, account);
  if (files === 'none' && wantedHome === 'private' && options.files === undefined)
    await requireEmpty(account);
  return {
    account: { name, uid, gid, home, shell },
    client,
    how,
    sshdConfig: options.sshdConfig,
    keys: look.policy?.keys ?? 'host',
    group: options.group === undefined ? null : await groupToJoin(account, options.group),
    policy: policyFile(account, options, look.policy, config),
    files,
    home: files === 'copy' || files === 'move' ? await planHome(account, files) : null,
    before: { folder: look.folder, privateHome: look.privateHome, range: look.range },
    libexec,
  };
}

async function requireLocal(account: Account): Promise<void> {
  await requireWritableEtc();
  if (await isLocal(account)) return;
  throw refuse(
    `${account.name} is not in /etc/passwd: its login shell can't be changed here`,
    'Let sshd do it: --how sshd. Or change the login shell in the directory (docs/admin.md).',
  );
}

/** Where there is a private home from before, what is in the home on the host would be out of sight without a word. */
async function requireEmpty({ name, home }: Account): Promise<void> {
  const files = await readdir(home).catch(nothingWhereNoFolder);
  if (files.length === 0 || (await isStub(home))) return;
  const outside = `tar -C ${shellOperand(home)} -cf - .`;
  const inside = `dockershctl exec ${shellOperand(name)} -- tar -xf - -C FOLDER`;
  throw refuse(
    `${name} has a private home in the sandbox, from before, and ${files.length} files and folders in ${home}`,
    `With --files keep the sandbox has the private home, and those in ${home} stay there, out of its sight. To have them inside as well, afterwards: ${outside} | ${inside}. To begin with them instead: dockershctl user forget ${shellOperand(name)} --keep-home FOLDER --force.`,
  );
}

function nothingWhereNoFolder(error: unknown): string[] {
  if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
  throw error;
}

/** Of root's, in the place of files that were moved inside. */
async function isStub(home: string): Promise<boolean> {
  return (await lstat(home)).uid === 0;
}

/** What runs on the host already would stay outside, with files that are being moved. */
export async function requireNobody({ name, uid }: Pick<Account, 'name' | 'uid'>): Promise<void> {
  await endIdleManager(uid);
  const running = await processesOf(uid);
  if (running.length === 0) return;
  const some = running.slice(0, 5).map(({ pid, name: program }) => `${program} (${pid})`);
  throw refuse(
    `${name} is logged in, or has ${running.length} processes: ${some.join(', ')}`,
    'Have them log out, or end the processes. --force goes on beside them: they stay outside of the sandbox.',
    sysexits.tempFail,
  );
}

function filesFor(
  asked: EnableOptions['files'],
  home: 'private' | 'host',
  there: boolean,
  { name }: Account,
): Plan['files'] {
  if (home === 'host') {
    if (asked === undefined || asked === 'keep') return 'none';
    throw refuse(
      '--files copy and move are for a private home',
      'With home = host the files stay where they are.',
    );
  }
  if (there && asked !== undefined && asked !== 'keep') {
    throw refuse(
      `${name} has a private home already, from before`,
      'Keep it (--files keep), or look at it: dockershctl exec.',
    );
  }
  if (there) return 'none';
  return asked === 'keep' ? 'fresh' : (asked ?? 'copy');
}

async function groupToJoin(account: Account, group: string): Promise<string | null> {
  if ((await lookUpGroup(group)) === undefined) {
    throw refuse(`this host knows no group ${group}`, 'Make it with groupadd.', sysexits.noInput);
  }
  if ((await groupsOf(account)).includes(group)) return null;
  if ((await isLocal(account)) && (await isLocalGroup(group))) return group;
  throw refuse(
    `${account.name} can't be made a member of ${group} here`,
    'The account or the group is in a directory: change it there.',
  );
}

/** A file of ours, where what is asked for is not what the policy gives anyway. */
function policyFile(
  { name, uid }: Account,
  { home, image }: EnableOptions,
  given: { readonly image: string; readonly home: string } | null,
  config: string,
): Plan['policy'] {
  const lines = [
    ...(home !== undefined && home !== given?.home ? [`home = ${home}`] : []),
    ...(image !== undefined && image !== given?.image ? [`image = ${image}`] : []),
  ];
  if (lines.length === 0) return null;
  const header = parseHeader(`user:${name}`);
  const plain = 'kind' in header && header.kind === 'user' && header.names.exact[0] === name;
  if (!plain || /[[\]\n;#]/.test(name) || lines.some((line) => /[\n;#]/.test(line))) {
    throw refuse(
      `the policy has no section that means exactly ${name}`,
      'Write the settings into a group of the account instead.',
    );
  }
  const heading = '; Made by "dockershctl user enable"; "dockershctl user disable" takes it away.';
  const file = join(dirname(config), 'conf.d', `user-${uid}.ini`);
  return { file, text: [heading, `[user:${name}]`, ...lines, ''].join('\n') };
}

export function workOfEnabling(installation: Installation, plan: Plan, force: boolean): Work {
  const { cli, books } = installation;
  const tools = { cli, plan };
  const undisturbed = (step: Step): Step => (force ? step : withNobody(step, tools));
  return {
    steps: [
      ...groupStep(tools, true),
      ...policyStep(tools, true),
      undisturbed(stateStep(tools)),
      firstLoginStep(tools),
      // From here on, logins lead into the sandbox.
      ...keysStep(tools, true),
      undisturbed(entranceStep(tools)),
    ],
    isInForce: async () => await isIn(plan),
    finish: async () => {
      const { uid } = plan.account;
      await books.setEnabled(uid, { version: 1, plan, at: new Date().toISOString() });
      if (plan.files === 'move' && plan.home !== null) await removeAside(plan, plan.home);
    },
  };
}

/** A user who has logged in since the first check is outside, and uses files that were copied meanwhile. */
function withNobody(step: Step, { cli, plan }: Tools): Step {
  return {
    ...step,
    run: async (signal) => {
      await step.run(signal);
      await cli.call('stop', { user: plan.account.name }); // what ran inside by now is ours
      await requireNobody(plan.account);
    },
  };
}

/** Whether logins of the account go to the sandbox by now. */
export async function isIn({ account, client, how, sshdConfig }: Plan): Promise<boolean> {
  if (how === 'sshd') {
    const entries = await installedEntries(placeOf(sshdConfig));
    return entries.some(({ kind, name }) => kind === 'user' && name === account.name);
  }
  const now = await lookUpAccount(account.name);
  return now !== undefined && samePath(now.shell, client);
}

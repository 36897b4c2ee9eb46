// dockershctl user forget and user rename: removes what is kept for an account that is gone, or hands it over to the name
// that the account has by now.

import { readFile, rm } from 'node:fs/promises';
import type { Command } from 'commander';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { hasErrno } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import { shellWord } from '../../lib/text/shell-word.ts';
import { resolved } from '../../lib/values/absolute-path.ts';
import type { AccountFolder } from '../../protocol/admin-accounts.ts';
import type { Console } from '../console.ts';
import { Books } from './books.ts';
import type { Plan } from './plan.ts';

interface ForgetOptions {
  readonly keepHome?: string;
  readonly force: boolean;
  readonly yes: boolean;
}

export function addForget(user: Command, console: () => Console): void {
  user
    .command('forget')
    .description('remove all that is kept for an account that is gone: changes, snapshots, private home')
    .argument('<name|uid>', 'name or uid that the account had')
    .option('--keep-home <folder>', "make this folder, of root's alone, and move the private home into it")
    .option('--force', 'also where the account is still there', false)
    .option('-y, --yes', 'do not ask for confirmation', false)
    .action(async (user: string, { keepHome, force, yes }: ForgetOptions) => {
      const cli = console();
      const home = keepHome === undefined ? undefined : resolved(keepHome);
      if (!yes) {
        const rest = home === undefined ? '' : ` but its home, which goes to ${home}`;
        await cli.confirm(
          `This removes all that is kept for ${printable(user)}${rest}. Nothing brings it back.`,
        );
      }
      const params = { user, force, ...(home === undefined ? {} : { keepHome: home }) };
      const forgotten = await cli.call('account.forget', params);
      const left = await forgetEnabling(cli, forgotten.uid);
      cli.show({ ...forgotten, ...left }, ({ user: name, uid, removed, keptHome, stopped, sshdEntry }) =>
        [
          `${name} (uid ${uid}) is forgotten${stopped ? '; the sandbox was stopped' : ''}`,
          `removed: ${removed.length === 0 ? 'nothing but the folder' : removed.join(', ')}`,
          ...(keptHome === null ? [] : [`kept: the home, in ${keptHome}`]),
          ...(sshdEntry
            ? [`sshd still names it: dockershctl sshd-config --remove --user ${shellWord(name)}`]
            : []),
        ]
          .map((line) => `${printable(line)}\n`)
          .join(''),
      );
    });
}

export function addRename(user: Command, console: () => Console): void {
  user
    .command('rename')
    .description('say that an account is called otherwise by now (after usermod --login NEW OLD)')
    .argument('<old>', 'the name that it had')
    .argument('<new>', 'the name that it has')
    .action(async (old: string, name: string) => {
      const cli = console();
      const renamed = await cli.call('account.rename', { user: old, to: name });
      const left = await renameEnabling(cli, renamed.uid, name);
      cli.show({ ...renamed, ...left }, ({ user: shown, uid, stopped, sshdEntry }) =>
        [
          `what is kept under uid ${uid} belongs to ${shown}${stopped ? '; the sandbox was stopped' : ''}`,
          ...(sshdEntry
            ? [
                `sshd names ${old}: dockershctl sshd-config --install --user ${shellWord(name)}, then --remove --user ${shellWord(old)}`,
              ]
            : []),
        ]
          .map((line) => `${printable(line)}\n`)
          .join(''),
      );
    });
}

interface Left {
  /** sshd's configuration sends the account to its sandbox by name. */
  readonly sshdEntry: boolean;
}

/** Takes away what "user enable" wrote down, and its file of the policy. */
async function forgetEnabling(cli: Console, uid: number): Promise<Left> {
  const books = await booksOf(cli);
  const plan = (await books.enabled(uid))?.plan;
  if (plan === undefined) return { sshdEntry: false };
  const { policy } = plan;
  if (policy !== null && (await isUnchanged(policy))) await rm(policy.file);
  await books.setEnabled(uid, undefined);
  return { sshdEntry: plan.how === 'sshd' || plan.keys !== 'host' };
}

async function renameEnabling(cli: Console, uid: number, name: string): Promise<Left> {
  const books = await booksOf(cli);
  const enabled = await books.enabled(uid);
  if (enabled === undefined) return { sshdEntry: false };
  const { plan } = enabled;
  const policy = plan.policy === null ? null : await renamedPolicy(plan.policy, plan.account.name, name);
  const account = { ...plan.account, name };
  await books.setEnabled(uid, { ...enabled, plan: { ...plan, account, policy } });
  return { sshdEntry: plan.how === 'sshd' || plan.keys !== 'host' };
}

const booksOf = async (cli: Console): Promise<Books> => new Books((await cli.call('health', {})).state);

type PolicyPlan = NonNullable<Plan['policy']>;

/** A file that somebody has changed since is theirs, and stays. */
async function renamedPolicy(policy: PolicyPlan, old: string, name: string): Promise<PolicyPlan> {
  if (!(await isUnchanged(policy))) return policy;
  const text = policy.text.replace(`[user:${old}]`, () => `[user:${name}]`);
  await writeFileAtomic(policy.file, text, 0o644);
  return { ...policy, text };
}

async function isUnchanged({ file, text }: PolicyPlan): Promise<boolean> {
  try {
    return (await readFile(file, 'utf8')) === text;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** Kept for an account that is gone, or has another name by now. */
export function isOrphan({ owner, account }: AccountFolder): boolean {
  return account === null || (owner !== null && owner !== account);
}

// The steps of enabling an account, and of disabling it: each does one thing and takes that one thing back.

import { lstat, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { hasErrno, sysexits } from '../../lib/errors.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { groupsOf, lookUpAccount } from '../host/accounts.ts';
import { awaitPolicy } from '../policy/in-force.ts';
import { type ChangeOptions, install, installedEntries, remove } from '../sshd/change.ts';
import { sameEntry } from '../sshd/drop-in.ts';
import { findKeysProgram } from '../sshd/keys.ts';
import { serviceBeside } from '../sshd/module.ts';
import { placeOf } from '../sshd/trial.ts';
import { putStub, removeAside, swap, takeStubBack } from './home.ts';
import { joinGroup, leaveGroup, requireShell, setShell } from './passwd.ts';
import type { Plan } from './plan.ts';
import { testLogin } from './test-login.ts';
import type { Step } from './transaction.ts';

export interface Tools {
  readonly cli: Console;
  readonly plan: Plan;
}

/** Joins a group (`wanted`) or leaves it; `undo` does the opposite. */
export function groupStep({ plan }: Tools, wanted: boolean): Step[] {
  const { group, account } = plan;
  if (group === null) return [];
  const set = async (member: boolean): Promise<void> => {
    const known = await lookUpAccount(account.name);
    const isMember = known !== undefined && (await groupsOf(known)).includes(group);
    if (isMember === member) return;
    await (member ? joinGroup : leaveGroup)(account.name, group);
  };
  const telling = wanted
    ? `making ${account.name} a member of ${group}`
    : `taking ${account.name} out of ${group}`;
  return [
    { name: 'group', telling, run: async () => await set(wanted), undo: async () => await set(!wanted) },
  ];
}

/** Writes or removes our file in conf.d. One that somebody has changed since is theirs, and stays. */
export function policyStep({ cli, plan }: Tools, wanted: boolean): Step[] {
  const { policy, account } = plan;
  if (policy === null) return [];
  const write = async (): Promise<void> => {
    await mkdir(dirname(policy.file), { recursive: true, mode: 0o755 });
    await writeFileAtomic(policy.file, policy.text, 0o644);
  };
  const take = async (): Promise<void> => {
    if ((await textOf(policy.file)) === policy.text) await rm(policy.file, { force: true });
  };
  const checked = async (): Promise<void> => {
    await write();
    for (const [key, value] of settingsOf(policy.text)) {
      const { came, value: seen } = await awaitPolicy(cli, account.name, key, (one) => one.value === value);
      if (came) continue;
      throw new CliFailure({
        code: 'E_POLICY_INVALID',
        message: `${key} is ${seen ?? 'nothing'} for ${account.name} after the edit, and should be ${value}`,
        hint: 'Another section comes later (dockershctl policy explain), or the policy is broken (dockershctl policy check).',
        exitCode: sysexits.config,
      });
    }
  };
  return wanted
    ? [{ name: 'policy', telling: `writing ${policy.file}`, run: checked, undo: take }]
    : [{ name: 'policy', telling: `removing ${policy.file}`, run: take, undo: write }];
}

/** The settings that our file makes. */
function settingsOf(text: string): [string, string][] {
  return [...text.matchAll(/^(image|home) = (.*)$/gm)].map(([, key = '', value = '']) => [key, value]);
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** The account's part of the state, with its files in it. */
export function stateStep({ cli, plan }: Tools): Step {
  const { account, home, before } = plan;
  const user = account.name;
  return {
    name: 'state',
    telling: {
      fresh: 'reserving a range of ids',
      none: 'reserving a range of ids',
      copy: `copying ${home?.path ?? ''} into the sandbox`,
      move: `moving ${home?.path ?? ''} into the sandbox`,
    }[plan.files],
    run: async (signal) => {
      if (plan.files === 'move' && home !== null) await putStub(plan, home);
      const source = plan.files === 'move' ? home?.aside : home?.path;
      const files = plan.files === 'none' || source === undefined ? 'fresh' : plan.files;
      await cli.call('account.prepare', { user, files, source }, { signal });
    },
    undo: async () => {
      if (plan.files === 'move' && home !== null) await fetchBack(cli, plan, home);
      const made = { home: !before.privateHome, folder: !before.folder, range: !before.range };
      await cli.call('account.discard', { user, ...made });
    },
  };
}

/** The files are aside, in their place, or already the private home in the state. Brings them back to their place. */
async function fetchBack(cli: Console, plan: Plan, home: NonNullable<Plan['home']>): Promise<void> {
  try {
    await takeStubBack(plan, home);
  } catch (error) {
    if (!(error instanceof CliFailure) || error.code !== 'E_HALF_DONE') throw error;
    // Nothing is aside and the stub is in their place, so they are in the state.
    await cli.call('account.giveBack', { user: plan.account.name, target: home.aside });
    await takeStubBack(plan, home);
  }
}

/** A login through the real client, which starts the sandbox for the first time. */
export function firstLoginStep({ cli, plan }: Tools): Step {
  const { account, client } = plan;
  return {
    name: 'first login',
    telling: `starting the sandbox and logging in as ${account.name}`,
    run: async (signal) => await testLogin(plan, client, { signal }),
    undo: async () => void (await cli.call('stop', { user: account.name })),
  };
}

/** From here on the user's logins lead into the sandbox. */
export function entranceStep({ cli, plan }: Tools): Step {
  const { account, client, how } = plan;
  if (how === 'sshd') return sshdStep({ cli, plan }, true);
  return {
    name: 'entrance',
    telling: `making ${client} the login shell of ${account.name}`,
    run: async (signal) => {
      await setShell(account.name, client);
      await requireShell(account, client);
      await testLogin(plan, client, { again: true, signal });
    },
    undo: async () => await shellBack(plan),
  };
}

export function exitStep({ cli, plan }: Tools): Step {
  const { account, client, how } = plan;
  if (how === 'sshd') return sshdStep({ cli, plan }, false);
  return {
    name: 'exit',
    telling: `making ${account.shell} the login shell of ${account.name}`,
    run: async () => {
      await setShell(account.name, account.shell);
      await requireShell(account, account.shell);
    },
    undo: async () => await setShell(account.name, client),
  };
}

async function shellBack({ account, client }: Plan): Promise<void> {
  const now = await lookUpAccount(account.name);
  if (now?.shell === client) await setShell(account.name, account.shell);
}

async function changeOptions(cli: Console, client: string, sshdConfig: string): Promise<ChangeOptions> {
  const service = serviceBeside(sshdConfig);
  return { client, tcpForwarding: false, keys: await findKeysProgram(cli), service };
}

/** Puts an entry into our file of sshd's configuration, and takes it out. */
function entryWork({ cli, plan }: Tools, kind: 'user' | 'keys') {
  const { account, client, keys, sshdConfig } = plan;
  const place = placeOf(sshdConfig);
  const entry = { kind, name: account.name, keys } as const;
  const options = async () => await changeOptions(cli, client, sshdConfig);
  return {
    add: async (): Promise<void> => void (await install(place, [entry], await options())),
    take: async (): Promise<void> => {
      const there = (await installedEntries(place)).some((one) => sameEntry(one, entry));
      if (there) await remove(place, [entry], await options());
    },
  };
}

/** Has sshd ask for the keys inside, where the login shell leads there and nothing else need be said to sshd. */
export function keysStep(tools: Tools, wanted: boolean): Step[] {
  const { account, how, keys } = tools.plan;
  if (how === 'sshd' || keys === 'host') return [];
  const { add, take } = entryWork(tools, 'keys');
  return wanted
    ? [{ name: 'keys', telling: `telling sshd of the keys of ${account.name}`, run: add, undo: take }]
    : [{ name: 'keys', telling: `telling sshd to forget the keys of ${account.name}`, run: take, undo: add }];
}

function sshdStep(tools: Tools, wanted: boolean): Step {
  const { account } = tools.plan;
  const { add, take } = entryWork(tools, 'user');
  return wanted
    ? { name: 'entrance', telling: `telling sshd of ${account.name}`, run: add, undo: take }
    : { name: 'exit', telling: `telling sshd that ${account.name} is out`, run: take, undo: add };
}

/** Ends the sandbox; nothing brings its sessions back. */
export function stopStep({ cli, plan }: Tools): Step {
  const user = plan.account.name;
  return {
    name: 'stop',
    telling: 'stopping the sandbox',
    run: async () => void (await cli.call('stop', { user })),
    undo: async () => {},
  };
}

/** The files that were moved into the sandbox come back to where they were. */
export function homeBackStep({ cli, plan }: Tools): Step[] {
  const { home, account } = plan;
  if (plan.files !== 'move' || home === null) return [];
  return [
    {
      name: 'home',
      telling: `moving the files of ${account.name} back to ${home.path}`,
      run: async (signal) => {
        await cli.call('account.giveBack', { user: account.name, target: home.aside }, { signal });
        await swap(plan, home);
      },
      undo: async () => await homeInsideAgain({ cli, plan }),
    },
  ];
}

async function homeInsideAgain({ cli, plan }: Tools): Promise<void> {
  const { home, account } = plan;
  if (home === null) return;
  const { privateHome } = await cli.call('account.look', { user: account.name });
  if (await isStub(home.path)) {
    // Not swapped: what may lie aside is the private home, by rename or as a copy.
    if (!privateHome) {
      await cli.call('account.prepare', { user: account.name, files: 'move', source: home.aside });
    }
    await removeAside(plan, home);
    return;
  }
  await swap(plan, home);
  if (!privateHome) {
    await cli.call('account.prepare', { user: account.name, files: 'move', source: home.aside });
  }
  await removeAside(plan, home);
}

async function isStub(path: string): Promise<boolean> {
  const { uid } = await lstat(path);
  return uid === 0;
}

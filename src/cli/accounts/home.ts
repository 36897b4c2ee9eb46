// Replaces the home on the host, when an account's files move into the sandbox, by a stub that belongs to root.
// Programs of the host find nothing in it that the user wrote but the keys that sshd needs.
//
// Runs as root where the user's own folder lies. Nothing in it is opened by a path that the user could lead
// elsewhere: folders are opened without following links and entered by their descriptors.

import { constants, type Stats } from 'node:fs';
import { chmod, chown, lstat, mkdir, open, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrno, sysexits } from '../../lib/errors.ts';
import { shellOperand } from '../../lib/text/shell-word.ts';
import { checkTrustedPath } from '../../lib/trusted-path.ts';
import { below, resolved } from '../../lib/values/absolute-path.ts';
import { CliFailure } from '../failure.ts';
import { type Account, listAccounts } from '../host/accounts.ts';
import { runCommand } from '../host/command.ts';
import { listMounts } from '../host/mounts.ts';
import type { Plan } from './plan.ts';

type HomeOwner = Plan['account'];
type HomePlan = NonNullable<Plan['home']>;

/** Throws CliFailure where the files can't be taken from there. */
export async function planHome(account: Account, files: 'copy' | 'move'): Promise<HomePlan> {
  const real = await realpath(account.home).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES')) throw refused(account, 'it does not exist');
    throw error;
  });
  const path = resolved(real);
  const info = await lstat(path, { bigint: true });
  if (path === '/' || !info.isDirectory()) throw refused(account, 'it is no folder of its own');
  if (info.uid !== BigInt(account.uid)) throw refused(account, `it belongs to uid ${info.uid}`);
  const sharing = (await listAccounts()).find(
    ({ uid, home }) => uid !== account.uid && (home === path || home.startsWith(`${path}/`)),
  );
  if (sharing !== undefined) throw refused(account, `${sharing.name} lives there as well`);
  // Whoever can rename things in a folder above could lead root elsewhere.
  const trust = await checkTrustedPath(dirname(path));
  if (!trust.ok) throw refused(account, `${trust.path} ${trust.reason}`);
  if (files === 'move') {
    const mounted = listMounts().find((mount) => mount.path === path || mount.path.startsWith(`${path}/`));
    if (mounted !== undefined) throw refused(account, `${mounted.path} is a mount point`);
  }
  const aside = below(resolved(dirname(path)), `.dockersh-${account.uid}`);
  if ((await inodeOf(aside)) !== undefined) throw refused(account, `${aside} is in the way`);
  return { path, aside, inode: identity(info) };
}

function refused({ name, home }: Account, why: string): CliFailure {
  return new CliFailure({
    code: 'E_ACCOUNT',
    message: `the files in ${home} of ${name} can't be taken over: ${why}`,
    hint: 'Take --files copy instead of move, or --files keep: the sandbox then starts with an empty home.',
    exitCode: sysexits.dataErr,
  });
}

const identity = (info: { readonly dev: bigint; readonly ino: bigint }): string => `${info.dev}:${info.ino}`;

async function inodeOf(path: string): Promise<string | undefined> {
  try {
    return identity(await lstat(path, { bigint: true }));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Puts a stub in the place of the home, whose files then lie aside. */
export async function putStub(plan: Plan, home: HomePlan): Promise<void> {
  await makeStub(plan.account, home);
  await swap(plan, home);
}

/** Puts the home back and removes the stub, however far putStub() got. */
export async function takeStubBack(plan: Plan, home: HomePlan): Promise<void> {
  if ((await inodeOf(home.path)) !== home.inode) {
    if ((await inodeOf(home.aside)) !== home.inode) {
      throw new CliFailure({
        code: 'E_HALF_DONE',
        message: `the files of ${plan.account.name} are neither at ${home.path} nor at ${home.aside}`,
        hint: 'They are in the folder "home" of the user below the state folder.',
        exitCode: sysexits.dataErr,
      });
    }
    await swap(plan, home);
  }
  await removeAside(plan, home);
}

/** Removes what was put aside: a stub, or files that have been copied. Never the home itself. */
export async function removeAside(plan: Plan, { aside }: HomePlan): Promise<void> {
  if ((await inodeOf(aside)) === undefined) return;
  await layerProgram(plan, ['remove', aside]);
}

/** By rename: whoever looks finds the one or the other (renameat2(2), RENAME_EXCHANGE). */
export async function swap(plan: Plan, { path, aside }: HomePlan): Promise<void> {
  await layerProgram(plan, ['swap', aside, path]);
}

async function layerProgram({ libexec }: Plan, args: readonly string[]): Promise<void> {
  const hour = 3_600_000;
  const outcome = await runCommand(join(libexec, 'dockersh-layer'), args, {
    detached: true,
    timeoutMs: hour,
  });
  if (outcome?.status === 0) return;
  const message = outcome?.stderr.trim().split('\n')[0] ?? 'dockersh-layer is missing';
  throw new CliFailure({ code: 'E_ACCOUNT', message, exitCode: sysexits.ioErr });
}

async function makeStub(account: HomeOwner, { path, aside }: HomePlan): Promise<void> {
  await mkdir(aside, { mode: 0o755 });
  await chmod(aside, 0o755);
  const note = `The files of ${account.name} are inside the sandbox (dockershctl exec ${shellOperand(account.name)}).\n`;
  await writeFile(join(aside, 'README'), note, { mode: 0o644 });
  const keys = await readKeys(path, account);
  if (keys.length === 0) return;
  const folder = join(aside, '.ssh');
  await mkdir(folder, { mode: 0o750 });
  // sshd reads them as the user; others need not see whose keys they are.
  await chown(folder, 0, account.gid);
  for (const { name, bytes } of keys) {
    const file = join(folder, name);
    await writeFile(file, bytes, { mode: 0o640 });
    await chown(file, 0, account.gid);
  }
}

const keyFiles = ['authorized_keys', 'authorized_keys2'];
const mostKeyBytes = 1024 * 1024;

/** The keys with which the user logs in. A file of somebody else's that was linked there is none of them. */
async function readKeys(home: string, account: HomeOwner): Promise<{ name: string; bytes: Buffer }[]> {
  const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const found: { name: string; bytes: Buffer }[] = [];
  try {
    await using top = await open(home, folderFlags);
    await using folder = await open(`/proc/self/fd/${top.fd}/.ssh`, folderFlags);
    for (const name of keyFiles) {
      const bytes = await readKeyFile(`/proc/self/fd/${folder.fd}/${name}`, account);
      if (bytes !== undefined) found.push({ name, bytes });
    }
  } catch (error) {
    // No .ssh, or it is a link or a file: then sshd's keys are not there.
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
  }
  return found;
}

async function readKeyFile(path: string, account: HomeOwner): Promise<Buffer | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const info = await file.stat();
    return isKeyFile(info, account) ? await file.readFile() : undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ELOOP', 'ENXIO')) return undefined;
    throw error;
  }
}

function isKeyFile(info: Stats, { uid }: HomeOwner): boolean {
  return info.isFile() && info.size <= mostKeyBytes && (info.uid === uid || (info.mode & 0o004) !== 0);
}

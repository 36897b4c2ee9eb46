// Puts our file into sshd_config.d, or takes it away, when sshd has accepted the whole of it.

import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { hasErrno, sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';
import { runCommand } from '../host/command.ts';
import { lastLine, runSshd } from '../host/sshd-settings.ts';
import { type DropInOptions, dropInText, type Entry, entriesOf, merged, sameEntry } from './drop-in.ts';
import { nameInModule, serviceState } from './module.ts';
import { type Place, tryOut } from './trial.ts';
import { verifyEntries } from './verify.ts';

export interface Changed {
  readonly entries: readonly Entry[];
  readonly text: string;
  readonly changed: boolean;
  /** What could not be verified. */
  readonly notes: readonly string[];
}

export async function installedEntries(place: Place): Promise<Entry[]> {
  return entriesOf((await readOurs(place)) ?? '');
}

/** How the file is made; whether connections join the sandboxes, the PAM service says (sshd-module). */
export interface ChangeOptions extends Omit<DropInOptions, 'joined'> {
  readonly service: string;
  /** Whatever the service says. */
  readonly joined?: boolean;
}

/** Adds `entries` to those that are there. */
export async function install(
  place: Place,
  entries: readonly Entry[],
  options: ChangeOptions,
): Promise<Changed> {
  const before = await installedEntries(place);
  const all = merged(before, entries);
  // First, so that nothing is opened on the host meanwhile.
  const joined = options.joined ?? (await nameInModule(options.service, all));
  const text = dropInText(all, { ...options, joined });
  const notes = await tryOut(place, text, async (config) => await verifyEntries(config, all, options));
  return { entries: all, text, notes, changed: await replace(place, text) };
}

/** Takes `entries` away; all when there are none named. */
export async function remove(
  place: Place,
  entries: readonly Entry[],
  options: ChangeOptions,
): Promise<Changed> {
  const before = await installedEntries(place);
  const left =
    entries.length === 0 ? [] : before.filter((one) => !entries.some((entry) => sameEntry(one, entry)));
  const joined = options.joined ?? serviceState(options.service).kind === 'there';
  const text = left.length === 0 ? undefined : dropInText(left, { ...options, joined });
  const notes = await tryOut(place, text, async (config) => await verifyEntries(config, left, options));
  const changed = await replace(place, text);
  await nameInModule(options.service, left);
  return { entries: left, text: text ?? '', notes, changed };
}

async function readOurs({ dropIn }: Place): Promise<string | undefined> {
  try {
    return await readFile(dropIn, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** In the end the real configuration is looked at as well; what it was before comes back where sshd refuses it. */
async function replace(place: Place, text: string | undefined): Promise<boolean> {
  const before = await readOurs(place);
  if (before === text) return false;
  await put(place, text);
  const outcome = await runSshd(['-t', '-f', place.config]);
  if (outcome?.status === 0) return true;
  await put(place, before);
  throw new CliFailure({
    code: 'E_SSHD_CONFIG',
    message: `sshd does not accept its configuration: ${lastLine(outcome?.stderr ?? '')}`,
    hint: 'The file is as it was before.',
    exitCode: sysexits.config,
  });
}

async function put({ dropIn }: Place, text: string | undefined): Promise<void> {
  if (text === undefined) {
    await rm(dropIn, { force: true });
    return;
  }
  await mkdir(dirname(dropIn), { recursive: true, mode: 0o755 });
  await writeFileAtomic(dropIn, text, 0o644);
}

/** Has sshd read its configuration again, by systemd. Throws CliFailure where that does not work. */
export async function reloadSshd(): Promise<void> {
  const units = ['ssh.service', 'sshd.service'];
  for (const unit of units) {
    const outcome = await runCommand('systemctl', ['try-reload-or-restart', unit]);
    if (outcome?.status === 0) return;
  }
  throw new CliFailure({
    code: 'E_SSHD_CONFIG',
    message: 'sshd could not be told to read its configuration again',
    hint: 'The file is in place. Send its main process SIGHUP, or start it again.',
    exitCode: sysexits.osErr,
  });
}

// Finds out whether sshd's connections join the sandboxes (pam_dockersh.so), and puts the module's lines into sshd's PAM
// service or takes them away.

import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import { hasErrno, sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';
import type { Entry } from './drop-in.ts';
import {
  type ModuleNames,
  type ModuleState,
  moduleName,
  moduleState,
  withModule,
  withoutModule,
} from './module-lines.ts';

/** sshd's PAM service, beside the folder of its configuration. */
export function serviceBeside(sshdConfig: string): string {
  return join(dirname(sshdConfig), '../pam.d/sshd');
}

/** Where libpam looks for a module without a path. */
export function moduleFile(name: string = moduleName): string | undefined {
  if (isAbsolute(name)) return existsSync(name) ? name : undefined;
  const folders = ['/lib', '/usr/lib', '/usr/lib64', '/lib64'].flatMap((folder) => [
    folder,
    ...namesIn(folder)
      .filter((entry) => entry.endsWith('-linux-gnu'))
      .map((entry) => join(folder, entry)),
  ]);
  return folders.map((folder) => join(folder, 'security', name)).find((file) => existsSync(file));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

export type ServiceState = ModuleState | { readonly kind: 'no service' } | { readonly kind: 'no module' };

export function serviceState(service: string): ServiceState {
  const text = textOf(service);
  if (text === undefined) return { kind: 'no service' };
  const state = moduleState(text, hasSessionIn(service));
  return state.kind === 'there' && moduleFile(state.module) === undefined ? { kind: 'no module' } : state;
}

/**
 * Where the lines are in place, they name these accounts from now on. Resolves to whether connections of these are joined,
 * as those of accounts are whose login shell is dockersh.
 */
export async function nameInModule(service: string, entries: readonly Entry[]): Promise<boolean> {
  const state = serviceState(service);
  if (state.kind !== 'there') return false;
  const { client } = state.names;
  const own = client === undefined ? {} : { client };
  if (!state.all) await installModule(service, { ...namesOf(entries), ...own }, state.module);
  return true;
}

/** True if it was changed. Throws CliFailure. */
export async function installModule(
  service: string,
  names: ModuleNames,
  module: string = moduleName,
): Promise<boolean> {
  return await replace(service, (text) => withModule(text, names, hasSessionIn(service), module));
}

export async function removeModule(service: string): Promise<boolean> {
  return await replace(service, withoutModule);
}

async function replace(service: string, change: (text: string) => string): Promise<boolean> {
  const before = textOf(service);
  if (before === undefined) return false;
  const text = change(before);
  if (text === before) return false;
  const real = realpathSync(service);
  await writeFileAtomic(real, text, (await stat(real)).mode & 0o777);
  return true;
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    const { code: why = 'an unknown error' } = error as NodeJS.ErrnoException;
    const message = `the PAM service can't be read (${why}): ${file.slice(0, 300)}`;
    const hint = "Name the file of sshd's PAM service with --service.";
    throw new CliFailure({ code: 'E_USAGE', message, hint, exitCode: sysexits.noInput }, { cause: error });
  }
}

/** Included files are those beside it. */
const hasSessionIn =
  (service: string) =>
  (name: string): boolean => {
    const file = isAbsolute(name) ? name : join(dirname(service), basename(name));
    return /^\s*(?:-?session\s|@include\s)/im.test(textOf(file) ?? '');
  };

export function namesOf(entries: readonly Entry[]): ModuleNames {
  const of = (wanted: Entry['kind']): string[] =>
    entries.filter(({ kind }) => kind === wanted).map(({ name }) => name);
  return { users: of('user'), groups: of('group') };
}

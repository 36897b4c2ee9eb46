// Paths of this installation's programs.

import { basename, join, resolve } from 'node:path';
import { sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';
import { isExecutable } from './command.ts';

/** What the daemon runs, and what dockershctl does. */
export const nativePrograms = [
  'dockersh-supervisor',
  'dockersh-init',
  'dockersh-layer',
  'dockersh-relay',
  'dockersh-exec',
  'dockersh-probe',
  'dockersh-attack',
  'dockersh-keys',
  'dockersh-stand-in',
  'addon.node',
];

/** Installed, the native programs lie beside the bundle; in a checkout the bundle is in dist/. */
export function libexecFolder(bundleFolder = import.meta.dirname): string {
  return basename(bundleFolder) === 'dist' ? join(bundleFolder, '../build') : bundleFolder;
}

/** The login client, by the places that an installation puts it to. Throws CliFailure where there is none. */
export function findClient(named: string | undefined, bundleFolder = import.meta.dirname): string {
  const prefix = resolve(bundleFolder, '../..');
  const candidates =
    named === undefined
      ? [join(prefix, 'bin/dockersh'), '/usr/bin/dockersh', '/usr/local/bin/dockersh']
      : [resolve(named)];
  const found = candidates.find(isExecutable);
  if (found !== undefined) return found;
  throw new CliFailure({
    code: 'E_NOT_FOUND',
    message: `the login client: there is no program ${candidates.join(' or ')}`,
    hint: 'Install dockersh, or name the client with --client.',
    exitCode: sysexits.noInput,
  });
}

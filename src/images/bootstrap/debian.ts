// Runs mmdebstrap, confined (bootstrap.ts), and reports its progress.

import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import type { ImportOptions } from '../import/options.ts';
import { confinement, environment, searchPath } from './environment.ts';
import { requireMirror } from './mirror.ts';

export interface DebianRequest {
  /** "debian:trixie". */
  readonly suite: string;
  readonly mirror?: string | undefined;
  readonly packages?: readonly string[] | undefined;
  /** Made by it. */
  readonly root: string;
  /** For its temporary files. */
  readonly temporary: string;
}

/** Components by distribution. Where packages come from mmdebstrap knows, security updates included. */
const components: Readonly<Record<string, string>> = { debian: 'main', ubuntu: 'main,universe' };

/** Of what went wrong the last lines are the telling ones. */
const keptLines = 12;

export async function runMmdebstrap(request: DebianRequest, options: ImportOptions): Promise<void> {
  const args = mmdebstrapArgs(request);
  requireProgram('mmdebstrap', 'mmdebstrap');
  await requireMirror(request, options.signal);
  const { failed, full, tail } = await run(
    [...confinement, 'mmdebstrap', ...args],
    request.temporary,
    options,
  );
  if (!failed) return;
  options.signal?.throwIfAborted();
  throw new DockershError(full ? 'E_DISK_FULL' : 'E_INTERNAL', {
    what: `bootstrap of ${request.suite}`,
    why: `mmdebstrap failed: ${tail.join('\n') || 'it said nothing'}`,
    hint: 'Check the name of the suite, and of the packages; a suite newer than this host needs newer archive keys.',
  });
}

/** Arguments for mmdebstrap. Throws E_USAGE for what is no suite, mirror or package. */
export function mmdebstrapArgs({
  suite,
  mirror,
  packages,
  root,
}: Omit<DebianRequest, 'temporary'>): string[] {
  const [, distribution = '', release = ''] = /^([a-z]+):([a-z][a-z0-9.-]*)$/.exec(suite) ?? [];
  const known = Object.hasOwn(components, distribution) ? components[distribution] : undefined;
  if (known === undefined) {
    throw refused(suite, 'it is no suite', 'Name one as in debian:trixie or ubuntu:noble, or busybox.');
  }
  if (mirror !== undefined && !/^(?:https?|file|copy):\/\/?[^\s]+$/.test(mirror)) {
    throw refused(mirror, 'it is no URL of packages', 'Write it as in http://HOST/debian.');
  }
  const wrong = packages?.find((name) => !/^[a-z0-9][a-z0-9+.-]*(?::[a-z0-9]+)?$/.test(name));
  if (wrong !== undefined) throw refused(wrong, 'it is not the name of a package', 'See "apt-cache search".');
  return [
    ...['--mode=root', '--variant=minbase', '--format=directory', `--components=${known}`],
    // The host's own hostname and name servers are none of the image's.
    ...['--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"'],
    ...(packages === undefined || packages.length === 0 ? [] : [`--include=${packages.join(',')}`]),
    ...['--', release, root],
    ...(mirror === undefined ? [] : [mirror]),
  ];
}

function refused(what: string, why: string, hint: string): DockershError {
  return new DockershError('E_USAGE', { what: JSON.stringify(what), why, hint });
}

function requireProgram(name: string, debianPackage: string): void {
  const found = searchPath.split(':').some((folder) => {
    try {
      accessSync(path.join(folder, name), constants.X_OK);
      return true;
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'EACCES')) return false;
      throw error;
    }
  });
  if (found) return;
  throw new DockershError('E_NOT_FOUND', {
    what: name,
    why: 'this program is not on this host',
    hint: `Install it: apt-get install ${debianPackage}`,
  });
}

/** What the kernel's word is, and what apt says before it begins. */
export function saysFull(line: string): boolean {
  return line.includes('No space left on device') || line.includes('have enough free space in');
}

interface Outcome {
  readonly failed: boolean;
  readonly full: boolean;
  /** The last lines that it wrote. */
  readonly tail: readonly string[];
}

async function run(
  [program, ...args]: readonly string[],
  temporary: string,
  { onProgress, signal }: ImportOptions,
): Promise<Outcome> {
  const child = spawn(program ?? '', args, {
    cwd: '/',
    env: environment(temporary),
    stdio: ['ignore', 'ignore', 'pipe'],
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => undefined); // awaited below, when everything that it wrote is read
  let tail: string[] = [];
  let full = false;
  for await (const line of createInterface({ input: child.stderr })) {
    tail = [...tail, line].slice(-keptLines);
    full ||= saysFull(line);
    const step = /^I: (.+?)\.*$/.exec(line)?.[1];
    if (step !== undefined) onProgress?.({ step });
  }
  return { failed: (await ended) !== 0, full, tail };
}

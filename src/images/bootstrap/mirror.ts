// Asks for the suite where the packages are to come from, before anything is made: mmdebstrap tries a mirror that cannot be
// reached for minutes. By apt itself, so that names, proxies and certificates are those that mmdebstrap's apt will go by.

import { spawn } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { outcomeOf } from '../../lib/child-outcome.ts';
import { DockershError } from '../../lib/errors.ts';
import { exists } from '../../lib/if-there.ts';
import { confinement, environment } from './environment.ts';

export interface MirrorRequest {
  /** "debian:trixie". */
  readonly suite: string;
  readonly mirror?: string | undefined;
  /** For temporary files. */
  readonly temporary: string;
}

const helper = '/usr/lib/apt/apt-helper';
/** A mirror that says nothing for so long is as good as none. */
const patienceMs = 8_000;
const quickly = [
  ...['Acquire::Retries=0', 'Acquire::http::Timeout=5', 'Acquire::https::Timeout=5'],
  'APT::Sandbox::User=root', // the folder is root's alone
];

/** As mmdebstrap has them; it knows which machines have another one. */
const usual: Readonly<Record<string, string>> = {
  debian: 'http://deb.debian.org/debian',
  ubuntu:
    process.arch === 'x64' ? 'http://archive.ubuntu.com/ubuntu' : 'http://ports.ubuntu.com/ubuntu-ports',
};

/** Throws E_MIRROR where the suite's index cannot be had. */
export async function requireMirror(request: MirrorRequest, signal: AbortSignal | undefined): Promise<void> {
  const [distribution = '', release = ''] = request.suite.split(':');
  const mirror = request.mirror ?? usual[distribution];
  if (mirror === undefined || !(await exists(helper))) return; // mmdebstrap says what is wrong
  const folder = `${mirror.replace(/\/+$/, '')}/dists/${release}`;
  const local = /^(?:file|copy):(?:\/\/)?(\/.*)$/.exec(folder)?.[1];
  if (local === undefined) await fetchIndex(folder, request, signal);
  else await lookAtIndex(local, request);
}

async function lookAtIndex(folder: string, request: MirrorRequest): Promise<void> {
  const found = ['InRelease', 'Release'].map(async (name) => await exists(path.join(folder, name)));
  if ((await Promise.all(found)).includes(true)) return;
  throw unreachable(request, `there is neither InRelease nor Release in ${folder}`);
}

/** As either of the names that it has: few mirrors have the older one alone. */
async function fetchIndex(
  folder: string,
  request: MirrorRequest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const configuration = path.join(request.temporary, 'apt.conf');
  // The host's own settings are not mmdebstrap's.
  await writeFile(configuration, 'Dir::Etc::main "/dev/null";\nDir::Etc::parts "/dev/null";\n');
  const env = { ...environment(request.temporary), APT_CONFIG: configuration };
  const names = ['InRelease', 'Release'];
  const tried = await Promise.all(
    names.map(async (name) => {
      const file = path.join(request.temporary, name);
      const why = await tryToFetch(`${folder}/${name}`, file, env, signal);
      await rm(file, { force: true });
      return why;
    }),
  );
  signal?.throwIfAborted();
  const [why] = tried;
  if (why !== undefined && !tried.includes(undefined)) throw unreachable(request, why);
}

/** Undefined where it came; else why not. */
async function tryToFetch(
  url: string,
  file: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const late = AbortSignal.timeout(patienceMs);
  const [program, ...confined] = confinement;
  const options = quickly.flatMap((option) => ['-o', option]);
  const child = spawn(program, [...confined, helper, ...options, 'download-file', url, file], {
    cwd: '/',
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    killSignal: 'SIGKILL',
    signal: signal === undefined ? late : AbortSignal.any([signal, late]),
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  try {
    const { status, stderr } = await outcomeOf(child, { maxBytes: 2000, stdout: false });
    if (status === 0) return undefined;
    return stderr.trim().split('\n')[0] || `it could not be fetched from ${url}`;
  } catch (error) {
    if (!signal?.aborted && !late.aborted) throw error;
    return `no answer to ${url} within ${patienceMs / 1000} s`;
  } finally {
    await closed; // nobody writes there any more
  }
}

function unreachable({ suite }: MirrorRequest, why: string): DockershError {
  return new DockershError('E_MIRROR', { what: `bootstrap of ${suite}`, why });
}

// Runs docker-credential-NAME, the programs that keep docker's credentials elsewhere
// (docker/docker-credential-helpers, README): `get`, the server's name on standard input, JSON on standard
// output. Run as root, by absolute path, only where nobody but root can change the program; with a deadline.

import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import * as z from 'zod';
import { collect } from '../../../lib/collect.ts';
import { DockershError, hasErrno } from '../../../lib/errors.ts';
import { checkTrustedPath } from '../../../lib/trusted-path.ts';
import type { RegistryOptions } from '../options.ts';
import type { Credential } from './credential.ts';

const helperAnswer = z.looseObject({ Username: z.string(), Secret: z.string() });

/** What a helper says in place of a user name when the secret is an identity token. */
const identityUser = '<token>';
const maxOutput = 256 * 1024;

export type HelperOptions = RegistryOptions & { readonly dockerConfigFolder: string };

/** Undefined where the helper has nothing for this server. Throws E_USAGE, E_UNTRUSTED_PATH. */
export async function askHelper(
  name: string,
  server: string,
  options: HelperOptions,
  signal: AbortSignal | undefined,
): Promise<Credential | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) throw failed(name, 'this is no name of a helper');
  const program = await findProgram(`docker-credential-${name}`, options);
  const { status, output } = await run(program, server, options, signal);
  if (status !== 0) {
    if (/credentials not found/i.test(output)) return undefined;
    throw failed(name, `it ended with ${status ?? 'a signal'} for ${server}`);
  }
  return parseAnswer(name, output);
}

async function findProgram(program: string, options: HelperOptions): Promise<string> {
  const trust = options.trustedUids === undefined ? {} : { trustedUids: options.trustedUids };
  for (const folder of options.helperFolders) {
    const checked = await checkTrustedPath(path.join(folder, program), trust);
    if (checked.ok) return checked.realPath;
    if (checked.code === 'E_NOT_FOUND') continue;
    throw new DockershError('E_UNTRUSTED_PATH', { what: checked.path, why: checked.reason });
  }
  throw failed(program, `there is none in ${options.helperFolders.join(', ')}`);
}

interface HelperExit {
  readonly status: number | null;
  readonly output: string;
}

async function run(
  program: string,
  server: string,
  options: HelperOptions,
  signal: AbortSignal | undefined,
): Promise<HelperExit> {
  const { credentialMs } = options.limits;
  const { promise, resolve, reject } = Promise.withResolvers<HelperExit>();
  // A session of its own: what a script has started ends with it.
  const stdio: ['pipe', 'pipe', 'ignore'] = ['pipe', 'pipe', 'ignore'];
  const child = spawn(program, ['get'], { stdio, cwd: '/', env: environment(options), detached: true });
  const fail = (why: string): void => reject(failed(path.basename(program), why));
  const onAbort = (): void => reject(signal?.reason);
  const timer = setTimeout(() => fail(`no answer within ${credentialMs / 1000} s`), credentialMs);
  signal?.addEventListener('abort', onAbort, { once: true });
  const tooLong = (): Error => failed(path.basename(program), `it says more than ${maxOutput} bytes`);
  const output = collect(child.stdout, maxOutput, tooLong);
  output.catch(reject);
  child.stdin.on('error', () => undefined); // a helper need not read its input to know
  child.stdin.end(`${server}\n`);
  child.once('error', (error) => fail(error.message));
  child.once('close', (status) => {
    output.then((bytes) => resolve({ status, output: bytes.toString('utf8') })).catch(reject);
  });
  try {
    signal?.throwIfAborted();
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    end(child);
  }
}

/** The whole group, while its leader has not been reaped: till then nobody else can have its number. */
function end(child: ChildProcess): void {
  child.stdout?.destroy();
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (!hasErrno(error, 'ESRCH')) throw error; // it has just ended
  }
}

/** Enough for helpers that have their own files and programs; nothing of the daemon's own. */
function environment({ dockerConfigFolder, helperFolders }: HelperOptions): NodeJS.ProcessEnv {
  const home = process.env['HOME'] ?? '/root';
  return { HOME: home, PATH: helperFolders.join(':'), DOCKER_CONFIG: dockerConfigFolder };
}

function parseAnswer(name: string, output: string): Credential | undefined {
  let value: unknown;
  try {
    value = JSON.parse(output);
  } catch {
    throw failed(name, 'its answer is not JSON'); // without the cause, which would quote the secret
  }
  const parsed = helperAnswer.safeParse(value);
  if (!parsed.success) throw failed(name, 'its answer has no Username and Secret');
  const { Username: username, Secret: secret } = parsed.data;
  if (secret === '' && username === '') return undefined;
  if (username === identityUser) return { kind: 'identity', token: secret };
  return { kind: 'password', username, password: secret };
}

function failed(name: string, why: string): DockershError {
  return new DockershError('E_USAGE', {
    what: `credential helper ${name.replace(/^docker-credential-/, '').slice(0, 80)}`,
    why,
    hint: 'See credsStore and credHelpers in the config.json of docker.',
  });
}

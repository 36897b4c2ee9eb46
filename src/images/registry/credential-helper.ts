// Runs docker-credential-NAME, the programs that keep docker's credentials elsewhere
// (docker/docker-credential-helpers, README): `get`, the server's name on standard input, JSON on standard
// output. Run as root, by absolute path, only where nobody but root can change the program; with a deadline.

import { spawn } from 'node:child_process';
import path from 'node:path';
import { z } from 'zod';
import { DockershError } from '../../lib/errors.ts';
import { checkTrustedPath } from '../../lib/trusted-path.ts';
import type { Credential } from './credential.ts';
import type { RegistryOptions } from './options.ts';

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

function run(
  program: string,
  server: string,
  options: HelperOptions,
  signal: AbortSignal | undefined,
): Promise<HelperExit> {
  const { promise, resolve, reject } = Promise.withResolvers<HelperExit>();
  const deadline = AbortSignal.timeout(options.limits.credentialMs);
  const child = spawn(program, ['get'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    cwd: '/',
    env: environment(options),
    killSignal: 'SIGKILL',
    signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
    if (output.length > maxOutput) child.kill('SIGKILL');
  });
  child.stdin.on('error', () => undefined); // a helper need not read its input to know
  child.stdin.end(`${server}\n`);
  child.once('error', (error) => {
    // Children of a helper may hold its output open: nobody waits for them.
    child.stdout.destroy();
    if (signal?.aborted === true) reject(signal.reason);
    else if (!deadline.aborted) reject(failed(path.basename(program), error.message));
    else reject(failed(path.basename(program), `no answer within ${options.limits.credentialMs / 1000} s`));
  });
  child.once('close', (status) => resolve({ status, output }));
  return promise;
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

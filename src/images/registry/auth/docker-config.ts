// Finds credentials for a registry in docker's configuration (docker login): config.json with credentials in it, or
// credential helpers that keep them elsewhere. Read anew for every pull and push; never kept, never logged.

import { stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { DockershError } from '../../../lib/errors.ts';
import { shellWord } from '../../../lib/text/shell-word.ts';
import { readTrustedFile } from '../../../lib/trusted-path.ts';
import type { RegistryOptions } from '../options.ts';
import { dockerHub } from '../remote-name.ts';
import type { Credential } from './credential.ts';
import { askHelper } from './credential-helper.ts';

const entry = z.looseObject({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});
const configFile = z.looseObject({
  auths: z.record(z.string(), entry).optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});
type Entry = z.infer<typeof entry>;

const maxBytes = 1024 * 1024;
const dockerHubKey = 'https://index.docker.io/v1/';

/**
 * Undefined: none are known, go on without. Throws E_UNTRUSTED_PATH where others could change the file, and
 * E_USAGE where it, or what a helper says, cannot be understood.
 */
export async function findCredential(
  registry: string,
  options: RegistryOptions,
  signal: AbortSignal | undefined,
): Promise<Credential | undefined> {
  if (options.dockerConfigFolder === undefined) return undefined;
  const file = path.join(options.dockerConfigFolder, 'config.json');
  const config = await readConfig(file, options);
  if (config === undefined) return undefined;
  const helper = lookUp(config.credHelpers, registry) ?? config.credsStore;
  if (helper !== undefined && helper !== '') {
    const server = registry === dockerHub ? dockerHubKey : registry;
    return askHelper(helper, server, { ...options, dockerConfigFolder: options.dockerConfigFolder }, signal);
  }
  const found = lookUp(config.auths, registry);
  return found === undefined ? undefined : credentialOf(found, file, registry);
}

async function readConfig(file: string, { trustedUids, warn }: RegistryOptions) {
  const read = await readTrustedFile(file, maxBytes, trustedUids === undefined ? {} : { trustedUids });
  if (!read.ok) {
    if (read.code === 'E_NOT_FOUND') return undefined;
    throw new DockershError(read.code ?? 'E_USAGE', { what: read.path, why: read.reason });
  }
  try {
    const config = configFile.parse(JSON.parse(read.text));
    if (holdsSecrets(config)) await warnIfReadable(file, warn);
    return config;
  } catch (error) {
    // The cause is left out: a syntax error quotes the text, and the text holds passwords.
    if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw error;
    throw unreadable(file, 'it is no configuration of docker');
  }
}

function holdsSecrets({ auths = {} }: z.infer<typeof configFile>): boolean {
  return Object.values(auths).some((one) =>
    [one.auth, one.password, one.identitytoken].some((secret) => (secret ?? '') !== ''),
  );
}

/** Somebody may want it so; they are told. That others could write to it has been refused before. */
async function warnIfReadable(file: string, warn: RegistryOptions['warn']): Promise<void> {
  const { mode, gid } = await stat(file);
  const readable = (mode & 0o004) !== 0 || ((mode & 0o040) !== 0 && gid !== 0);
  if (!readable) return;
  warn(
    new DockershError('E_UNTRUSTED_PATH', {
      what: file,
      why: 'it holds credentials, and others than root can read it',
      hint: `chmod 600 ${shellWord(file)}`,
    }),
  );
}

/** Keys are "host", "host:port" or, from old versions, a URL with a path. Docker Hub has a URL of its own. */
function lookUp<T>(table: Readonly<Record<string, T>> | undefined, registry: string): T | undefined {
  if (table === undefined) return undefined;
  const exact = registry === dockerHub ? dockerHubKey : registry;
  if (Object.hasOwn(table, exact)) return table[exact];
  const match = Object.keys(table).find((key) => hostOfKey(key) === registry);
  return match === undefined ? undefined : table[match];
}

function hostOfKey(key: string): string {
  const host = key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return host === 'index.docker.io' ? dockerHub : host;
}

function credentialOf(found: Entry, file: string, registry: string): Credential | undefined {
  if (found.identitytoken !== undefined && found.identitytoken !== '') {
    return { kind: 'identity', token: found.identitytoken };
  }
  if (found.auth === undefined || found.auth === '') {
    const { username, password } = found;
    if (username === undefined || username === '' || password === undefined) return undefined;
    return { kind: 'password', username, password };
  }
  const text = Buffer.from(found.auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = text.indexOf(':');
  if (colon <= 0) throw unreadable(file, `"auth" of ${registry} is not a name and a password in base64`);
  return { kind: 'password', username: text.slice(0, colon), password: text.slice(colon + 1) };
}

function unreadable(file: string, why: string): DockershError {
  return new DockershError('E_USAGE', {
    what: file,
    why,
    hint: 'Log in again with "docker login" or "skopeo login" as root, or remove the file.',
  });
}

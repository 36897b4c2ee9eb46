// Finds credentials for a registry where root has logged in: podman's and skopeo's auth.json, docker's config.json, with
// credentials in them or the names of helpers that keep them elsewhere. Read anew for every pull and push; never kept, never logged.

import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { DockershError } from '../../../lib/errors.ts';
import { dockerHub } from '../../../lib/text/image-name.ts';
import { shellWord } from '../../../lib/text/shell-word.ts';
import { readTrustedFile } from '../../../lib/trusted-path.ts';
import type { RegistryOptions } from '../options.ts';
import type { RemoteName } from '../remote-name.ts';
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
 * Undefined: none are known, go on without. Of several files the first that has one counts. Throws E_UNTRUSTED_PATH where
 * others could change a file, and E_USAGE where it, or what a helper says, cannot be understood.
 */
export async function findCredential(
  { registry, repository }: Pick<RemoteName, 'registry' | 'repository'>,
  options: RegistryOptions,
  signal: AbortSignal | undefined,
): Promise<Credential | undefined> {
  const { authFiles, dockerConfigFolder } = options;
  const docker = dockerConfigFolder === undefined ? [] : [path.join(dockerConfigFolder, 'config.json')];
  for (const file of [...authFiles, ...docker]) {
    const config = await readConfig(file, options);
    if (config === undefined) continue;
    const helper = lookUp(config.credHelpers, [registry]) ?? config.credsStore;
    if (helper !== undefined && helper !== '') {
      const server = registry === dockerHub ? dockerHubKey : registry;
      const folder = path.dirname(file);
      const asked = await askHelper(helper, server, { ...options, dockerConfigFolder: folder }, signal);
      if (asked !== undefined) return asked;
      continue;
    }
    const found = lookUp(config.auths, placesOf(registry, repository));
    const credential = found === undefined ? undefined : credentialOf(found, file, registry);
    if (credential !== undefined) return credential;
  }
  return undefined;
}

/** The repository, what it lies in, and the registry: a login may be for a part of one. */
function placesOf(registry: string, repository: string): string[] {
  const parts = repository.split('/');
  const below = parts.map((_, index) => `${registry}/${parts.slice(0, parts.length - index).join('/')}`);
  return [...below, registry];
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

/** Keys are "host", "host:port", "host/path" or, from old versions, a URL. Docker Hub has a URL of its own. */
function lookUp<T>(table: Readonly<Record<string, T>> | undefined, places: readonly string[]): T | undefined {
  if (table === undefined) return undefined;
  for (const place of places) {
    const exact = place === dockerHub ? dockerHubKey : place;
    if (Object.hasOwn(table, exact)) return table[exact];
    const match = Object.keys(table).find((key) => placeOfKey(key) === place);
    if (match !== undefined) return table[match];
  }
  return undefined;
}

/** A path counts where it is none of the versions of an API, which URLs of old had. */
function placeOfKey(key: string): string {
  const isUrl = /^https?:\/\//.test(key);
  const plain = key.replace(/^https?:\/\//, '').replace(/\/+$/, '');
  return isUrl || /^[^/]*\/v[12]$/.test(plain) ? hostOfKey(plain) : plain;
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

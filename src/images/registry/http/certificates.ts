// Loads certificates for one host, from folders as docker has them: CERTS.D/HOST[:PORT]/*.crt are authorities that
// are trusted beside the system's, NAME.cert with NAME.key is a client certificate. Files that somebody other than
// root could change are refused: they decide whom we believe.

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { DockershError, hasErrno } from '../../../lib/errors.ts';
import { readTrustedFile, type TrustOptions } from '../../../lib/trusted-path.ts';

export interface HostCertificates {
  /** PEM; undefined: the system's authorities alone. */
  readonly ca: readonly string[] | undefined;
  readonly clients: readonly { readonly cert: string; readonly key: string }[];
}

const maxBytes = 1024 * 1024;
const minVersion = 'TLSv1.2';

/** The first of `folders` that has a folder for this host counts; undefined where none has. */
export async function readCertificates(
  folders: readonly string[],
  url: URL,
  trust: TrustOptions = {},
): Promise<HostCertificates | undefined> {
  for (const folder of folders) {
    for (const name of folderNames(url)) {
      const found = await readFolder(path.join(folder, name), trust);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** "host:port" before "host", which stands for the default port alone. */
function folderNames(url: URL): string[] {
  if (url.port !== '') return [url.host];
  return [`${url.hostname}:${url.protocol === 'http:' ? 80 : 443}`, url.hostname];
}

async function readFolder(folder: string, trust: TrustOptions): Promise<HostCertificates | undefined> {
  const names = await namesIn(folder);
  if (names === undefined) return undefined;
  const read = (name: string): Promise<string> => readPem(path.join(folder, name), trust);
  const extra = await Promise.all(names.filter((name) => name.endsWith('.crt')).map(read));
  const clients = await Promise.all(
    names
      .filter((name) => name.endsWith('.cert'))
      .map(async (name) => ({ cert: await read(name), key: await read(name.replace(/cert$/, 'key')) })),
  );
  return { ca: extra.length === 0 ? undefined : [...systemAuthorities(), ...extra], clients };
}

async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

async function readPem(file: string, trust: TrustOptions): Promise<string> {
  const read = await readTrustedFile(file, maxBytes, trust);
  if (read.ok) return read.text;
  throw new DockershError(read.code ?? 'E_UNTRUSTED_PATH', { what: read.path, why: read.reason });
}

/** What update-ca-certificates maintains; the list that Node brings along where the system has none. */
function systemAuthorities(): string[] {
  // Each is there twice: in the bundle, and in a file of its own.
  const system = new Set(getCACertificates('system'));
  return system.size > 0 ? [...system] : getCACertificates('bundled');
}

let systemContext: SecureContext | undefined;

/** For hosts that have no certificates of their own. Made once: it takes ten milliseconds of the daemon's time. */
export function defaultContext(): SecureContext {
  systemContext ??= createSecureContext({ ca: systemAuthorities(), minVersion });
  return systemContext;
}

export function contextFor({ ca, clients }: HostCertificates): SecureContext {
  return createSecureContext({
    ca: [...(ca ?? systemAuthorities())],
    minVersion,
    ...(clients.length === 0
      ? {}
      : { cert: clients.map(({ cert }) => cert), key: clients.map(({ key }) => key) }),
  });
}

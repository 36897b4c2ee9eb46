// Options of a registry client: what policy says, and the paths of what root has set up for docker.

import path from 'node:path';
import type { DockershError } from '../../lib/errors.ts';
import { dockerHub } from '../../lib/text/image-name.ts';
import { type ProxyPolicy, type ProxySettings, proxySettings } from './http/proxy.ts';
import { defaultLimits, type RegistryLimits } from './limits.ts';

export interface RegistryOptions {
  /** The registry of names that name none. */
  readonly defaultRegistry: string;
  /** "host" or "host:port" that may be spoken to without TLS; this machine's own loopback always may. */
  readonly plainHttpHosts: readonly string[];
  /** Folders with a folder HOST[:PORT] of certificates; the first that has one counts. */
  readonly certificateFolders: readonly string[];
  /** Folder of docker's config.json; undefined: no credentials are ever used. */
  readonly dockerConfigFolder: string | undefined;
  /** Files that are asked before it, as podman and skopeo have them (containers-auth.json(5)). */
  readonly authFiles: readonly string[];
  /** Where credential helpers (docker-credential-NAME) are looked for. */
  readonly helperFolders: readonly string[];
  /** containers' registries.conf, with the folder FILE.d beside it; undefined: none. */
  readonly registriesFile: string | undefined;
  /** By which proxies hosts are reached. */
  readonly proxies: ProxySettings;
  /** Tried before the default registry when images are pulled: "host" or "host:port". */
  readonly mirror: string | undefined;
  /** Hears of what goes on without failing: a mirror that does not serve, a file that should be nobody else's. */
  readonly warn: (failure: DockershError) => void;
  readonly limits: RegistryLimits;
  /** Owners of files that count as trusted; production code leaves this alone: root only. */
  readonly trustedUids?: readonly number[] | undefined;
}

export type PartialRegistryOptions = {
  readonly [Key in keyof Omit<RegistryOptions, 'limits' | 'proxies'>]?: RegistryOptions[Key] | undefined;
} & {
  readonly limits?: Partial<RegistryLimits> | undefined;
  /** By default those of the environment. */
  readonly proxies?: ProxyPolicy | undefined;
};

const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * Fills in the defaults. Pure, but for what `environment` says of DOCKER_CONFIG, HOME and proxies. Throws
 * RegistryError where that is no address of a proxy.
 */
export function registryOptions(
  given: PartialRegistryOptions = {},
  environment: NodeJS.ProcessEnv = process.env,
): RegistryOptions {
  return {
    defaultRegistry: given.defaultRegistry ?? dockerHub,
    plainHttpHosts: given.plainHttpHosts ?? [],
    certificateFolders: given.certificateFolders ?? ['/etc/dockersh/certs.d', '/etc/docker/certs.d'],
    dockerConfigFolder:
      'dockerConfigFolder' in given ? given.dockerConfigFolder : dockerConfigFolder(environment),
    authFiles: given.authFiles ?? ('dockerConfigFolder' in given ? [] : authFiles(environment)),
    helperFolders: given.helperFolders ?? programFolders,
    registriesFile: 'registriesFile' in given ? given.registriesFile : '/etc/containers/registries.conf',
    proxies: proxySettings(given.proxies ?? { proxy: 'environment', noProxy: [] }, environment),
    mirror: given.mirror,
    warn: given.warn ?? (() => undefined),
    limits: { ...defaultLimits, ...given.limits },
    trustedUids: given.trustedUids,
  };
}

/** A daemon may have no HOME: then root's own. Relative paths would depend on where it was started. */
function dockerConfigFolder(environment: NodeJS.ProcessEnv): string {
  const named = environment['DOCKER_CONFIG'];
  if (named !== undefined && path.isAbsolute(named)) return named;
  const home = environment['HOME'];
  return path.join(home !== undefined && path.isAbsolute(home) ? home : '/root', '.docker');
}

/** Root's own, most specific first: what was logged in to for this boot goes before what stays. */
function authFiles(environment: NodeJS.ProcessEnv): string[] {
  const absolute = (name: string): string | undefined => {
    const value = environment[name];
    return value !== undefined && path.isAbsolute(value) ? value : undefined;
  };
  const named = absolute('REGISTRY_AUTH_FILE');
  if (named !== undefined) return [named];
  const config = absolute('XDG_CONFIG_HOME') ?? path.join(absolute('HOME') ?? '/root', '.config');
  return ['/run/containers/0/auth.json', path.join(config, 'containers/auth.json')];
}

// Surroundings of the programs that a bootstrap runs: namespaces of their own, and of the daemon's environment the proxies.

export const searchPath = '/usr/sbin:/usr/bin:/sbin:/bin';

export function environment(temporary: string): NodeJS.ProcessEnv {
  const proxies = ['http_proxy', 'https_proxy', 'no_proxy'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    PATH: searchPath,
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
    TMPDIR: temporary,
    ...Object.fromEntries(proxies),
  };
}

/** Namespaces of its own; killed when the daemon dies (PR_SET_PDEATHSIG), and everything in it with it. */
export const confinement = [
  ...['setpriv', '--pdeathsig', 'KILL', '--'],
  ...['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ...['--ipc', '--uts', '--'],
] as const;

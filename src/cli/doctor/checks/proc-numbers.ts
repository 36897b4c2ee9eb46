// Checks which numbers of /proc are the host's inside sandboxes, and whether that need be.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hasErrno } from '../../../lib/errors.ts';
import { figureNames, hasOwnClocks, lxcfsFolder, lxcfsPidFile } from '../../../lib/values/lxcfs.ts';
import { listMounts } from '../../host/mounts.ts';
import { type Finding, type HostCheck, ok, warning } from '../check.ts';

const program = '/usr/bin/lxcfs';
const pin = 'with "cpu_pin = yes" programs count the CPUs that the sandbox has';

/** Its arguments; undefined: it does not run. Nothing here touches what it serves, which may hang. */
async function argumentsOfLxcfs(): Promise<readonly string[] | undefined> {
  if (!listMounts().some(({ path, type }) => path === lxcfsFolder && type === 'fuse.lxcfs')) return undefined;
  try {
    const pid = (await readFile(lxcfsPidFile, 'utf8')).trim();
    return (await readFile(`/proc/${Number(pid)}/cmdline`, 'utf8')).split('\0');
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ESRCH')) throw error;
    return existsSync(lxcfsPidFile) ? undefined : [];
  }
}

const paths = (names: readonly string[]): string => names.map((name) => `/${name}`).join(', ');

async function look(): Promise<Finding> {
  const clocks = hasOwnClocks();
  const served = figureNames(clocks);
  const boot = clocks ? [] : ['/proc/uptime and the times of ps'];
  const args = await argumentsOfLxcfs();
  if (args === undefined) {
    const untrue = [...served.map((name) => `/${name}`), ...(clocks ? ['/proc/stat'] : boot)].join(', ');
    const found = `${untrue} are the host's inside`;
    if (existsSync(program))
      return warning(
        `lxcfs is installed and does not run: ${found}`,
        'Start it: systemctl enable --now lxcfs.',
      );
    return ok(`${found}; Debian's lxcfs makes ${paths(served)} the sandbox's own, and ${pin}`);
  }
  const load = args.some((arg) => /^(-[a-zA-Z]*l[a-zA-Z]*|--enable-loadavg)$/.test(arg))
    ? []
    : ['/proc/loadavg (lxcfs runs without -l)'];
  const untrue = [...load, ...(clocks ? ['/proc/stat'] : boot)].join(', ');
  return ok(
    untrue === ''
      ? 'all are the sandbox’s own'
      : `lxcfs serves ${paths(served)}; the host's inside: ${untrue}; ${pin}`,
  );
}

export const procNumbersCheck: HostCheck = {
  id: 'proc-numbers',
  group: 'kernel',
  what: 'numbers of /proc inside are the sandbox’s where they can be',
  why: 'Programs that size themselves by what the host has take more than their sandbox may.',
  run: look,
};

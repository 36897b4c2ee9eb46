// Checks that AppArmor confines what reads archives, layers and the network (packaging/apparmor/dockersh-layer), where the host has it.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hasErrno } from '../../../lib/errors.ts';
import { type Finding, type HostCheck, ok, unknown, warning } from '../check.ts';

const installed = '/etc/apparmor.d/dockersh-layer';
const loaded = '/sys/kernel/security/apparmor/profiles';
const jobs = ['list', 'pack', 'chain', 'unpack'].map((job) => `dockersh-layer-${job}`);
const names = [...jobs, 'dockersh-relay'];

export const apparmorCheck: HostCheck = {
  id: 'kernel-apparmor',
  group: 'kernel',
  what: "AppArmor's profiles for what reads archives, layers and the network are loaded",
  why: 'They are one more wall around programs that read what strangers wrote.',
  run: look,
};

async function look(): Promise<Finding> {
  let text: string;
  try {
    text = await readFile(loaded, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return ok('this kernel runs without AppArmor');
    if (hasErrno(error, 'EACCES', 'EPERM')) {
      return unknown('only root can see which profiles are loaded', 'Run doctor as root.');
    }
    throw error;
  }
  // It comes with the package, for programs that are where the package puts them.
  if (!existsSync(installed)) return ok('no profile is installed');
  const enforced = new Set(text.split('\n').flatMap((line) => /^(\S+) \(enforce\)$/.exec(line)?.[1] ?? []));
  const missing = names.filter((name) => !enforced.has(name));
  if (missing.length === 0) return ok('loaded');
  const fix = `Install the package apparmor, and load them: apparmor_parser --replace ${installed}`;
  return warning(`not in force: ${missing.join(', ')}`, fix);
}

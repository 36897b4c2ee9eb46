// Checks what sandboxes need of the kernel, by trying each thing once.

import { readFile } from 'node:fs/promises';
import { release, version } from 'node:os';
import { hasErrno } from '../../../lib/errors.ts';
import { critical, type Finding, type HostCheck, ok, unknown } from '../check.ts';
import type { Context } from '../context.ts';

const newer = 'Run a kernel of version 5.19 or later that has it switched on.';

function probed(
  probe: string,
  row: { readonly id: string; readonly what: string; readonly why: string; readonly fix?: string },
): HostCheck {
  const { fix = newer, ...description } = row;
  return {
    ...description,
    group: 'kernel',
    run: async (context) => await ofProbe(context, probe, fix),
  };
}

/** What a probe of the kernel says. */
export async function ofProbe(context: Context, probe: string, fix: string): Promise<Finding> {
  const answers = await context.probe();
  const answer = answers?.get(probe);
  if (answer === undefined) {
    const found = context.isRoot ? 'dockersh-probe did not answer' : 'only root can try it';
    return unknown(found, context.isRoot ? 'Install dockersh again.' : 'Run doctor as root.');
  }
  return answer.works ? ok('works') : critical(answer.text, fix);
}

export const kernelChecks: readonly HostCheck[] = [
  {
    id: 'kernel-version',
    group: 'kernel',
    what: 'the kernel is 5.19 or later',
    why: 'Image layers are overlaid through mounts with mapped ids, which came with 5.19.',
    run: () => {
      const seen = `Linux ${release()}`;
      return isOlder(release(), '5.19') ? critical(seen, newer) : ok(seen);
    },
  },
  probed('userns', {
    id: 'kernel-userns',
    what: 'user namespaces can be made',
    why: 'Every sandbox has one of its own: its root is nobody on the host.',
    fix: 'Allow them: sysctl user.max_user_namespaces=65536, and without user_namespace.enable=0 on the kernel command line.',
  }),
  {
    id: 'sysctl-userns',
    group: 'kernel',
    what: 'there may be enough namespaces',
    why: 'A sandbox takes one namespace of each kind; at the limit no further one starts.',
    run: namespaceLimits,
  },
  probed('namespaces', {
    id: 'kernel-namespaces',
    what: 'PID, network, UTS, IPC and cgroup namespaces can be made',
    why: 'They keep sandboxes from seeing the host and each other.',
  }),
  probed('mount-api', {
    id: 'kernel-mount-api',
    what: 'open_tree, mount_setattr and move_mount work',
    why: 'Sandboxes are mounted by descriptors, so that no path can be swapped in between.',
  }),
  probed('seccomp', {
    id: 'kernel-seccomp',
    what: 'system calls can be filtered',
    why: 'The filter keeps kernel interfaces away that no session needs.',
    fix: 'Run a kernel with CONFIG_SECCOMP_FILTER, and dockersh outside of containers that forbid seccomp.',
  }),
  probed('pidfd', {
    id: 'kernel-pidfd',
    what: 'processes are reached by pidfd',
    why: 'A process id may be another process a moment later; a pidfd never is.',
  }),
  probed('openat2', {
    id: 'kernel-openat2',
    what: 'openat2 confines paths',
    why: 'A link inside an image must never lead out of it.',
  }),
  probed('close-range', {
    id: 'kernel-close-range',
    what: 'close_range works',
    why: "No descriptor of the host's may get into a sandbox.",
  }),
];

const namespaceKinds = ['user', 'pid', 'mnt', 'net', 'uts', 'ipc', 'cgroup'];
const fewNamespaces = 64;

async function namespaceLimits(): Promise<Finding> {
  const limits = await Promise.all(
    namespaceKinds.map(async (kind) => {
      const name = `user.max_${kind}_namespaces`;
      return { name, limit: await sysctl(name) };
    }),
  );
  const low = limits.filter(({ limit }) => limit !== undefined && limit < fewNamespaces);
  if (low.length === 0) return ok('no limit is low');
  const found = low.map(({ name, limit }) => `${name} is ${limit}`).join(', ');
  return critical(found, low.map(({ name }) => `sysctl -w ${name}=65536`).join(' && '));
}

export async function sysctl(name: string): Promise<number | undefined> {
  try {
    return Number(await readFile(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8'));
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES')) return undefined; // no such limit in this kernel
    throw error;
  }
}

/** The upstream version that a distribution's kernel says it is made of. */
export async function upstreamVersion(): Promise<string> {
  try {
    const signature = await readFile('/proc/version_signature', 'utf8'); // Ubuntu: "Ubuntu 6.8.0-31.31-generic 6.8.1"
    return signature.trim().split(' ').at(-1) ?? release();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    const debian = /Debian (\d+\.\d+)\.\d+/.exec(version()); // release() is "6.1.0-32-amd64" there
    return debian !== null && release().startsWith(`${debian[1] ?? ''}.`) ? debian[0].slice(7) : release();
  }
}

const numbers = (text: string): number[] => (/^\d+(\.\d+)*/.exec(text)?.[0] ?? '0').split('.').map(Number);

export function isOlder(seen: string, wanted: string): boolean {
  const [left, right] = [numbers(seen), numbers(wanted)];
  const at = right.findIndex((part, index) => (left[index] ?? 0) !== part);
  return at >= 0 && (left[at] ?? 0) < (right[at] ?? 0);
}

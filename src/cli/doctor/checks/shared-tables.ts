// Checks whether one user alone could fill a table that the kernel has once for the whole machine and charges to
// nobody. What each user may have of the others is bounded when a sandbox starts (SECURITY.md has the list of all).

import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { ifThere } from '../../../lib/if-there.ts';
import { type Finding, type HostCheck, ok, unknown, warning } from '../check.ts';
import type { Context } from '../context.ts';
import { policyOf } from '../subject.ts';
import { cgroupsOf } from './cgroups.ts';
import { isOlder, sysctl, upstreamVersion } from './kernel.ts';

/** Of one sandbox (native/supervisor/rootfs/devpts.c). */
const terminalsOfOne = 128;
// What the kernel counts towards a sandbox's memory for one of each, on 64-bit machines.
const bytesOfFile = 192;
const bytesOfAioEvent = 64;
/** With cgroups of version 1, sockets may have this part of "memory" (src/limits/table.ts). */
const partOfSockets = 4;
const smallestPage = 4096;

/** A command that sets sysctls, and what keeps them over a restart. */
function settings(values: Readonly<Record<string, number | string>>): string {
  const all = Object.entries(values).map(([name, value]) => `${name}=${value}`);
  return `sysctl -w ${all.join(' ')}, and the same lines in a file in /etc/sysctl.d.`;
}

/** A table whose entries memory pays for: nobody gets all of them who may not have all memory. */
function paidByMemory(row: {
  readonly id: string;
  readonly what: string;
  readonly why: string;
  readonly name: string;
  readonly bytes: number;
}): HostCheck {
  const { id, what, why, name, bytes } = row;
  return {
    id,
    what,
    why,
    group: 'kernel',
    run: async () => {
      const [limit, enough] = [await sysctl(name), Math.ceil(totalmem() / bytes)];
      if (limit === undefined) return ok('this kernel has none');
      const found = `${name} is ${limit}`;
      return limit >= enough
        ? ok(found)
        : warning(found, settings({ [name]: 2 ** Math.ceil(Math.log2(enough)) }));
    },
  };
}

export const sharedTableChecks: readonly HostCheck[] = [
  {
    id: 'kernel-memory-counted',
    group: 'kernel',
    what: "the kernel's own memory counts towards a sandbox's",
    why: 'Otherwise open files, sockets and processes take memory that "memory" does not bound.',
    run: countedMemory,
  },
  {
    id: 'sysctl-terminals',
    group: 'kernel',
    what: 'every sandbox can have its terminals',
    why: `Each has at most ${terminalsOfOne}; a user who nests can take all others of the machine, but not the reserve.`,
    run: terminals,
  },
  {
    id: 'sysctl-processes',
    group: 'kernel',
    what: 'no sandbox can have half of all processes',
    why: 'Where process ids run out, nobody can start anything, root included.',
    run: processes,
  },
  paidByMemory({
    id: 'sysctl-files',
    what: 'no sandbox can open all files that may be open',
    why: 'The limit on open files is for the whole machine; root alone is exempt from it.',
    name: 'fs.file-max',
    bytes: bytesOfFile,
  }),
  paidByMemory({
    id: 'sysctl-aio',
    what: 'no sandbox can have all asynchronous input and output',
    why: 'io_setup(2) takes from one number for the whole machine, which nobody is charged for; databases and virtual machines of the host use it.',
    name: 'fs.aio-max-nr',
    bytes: bytesOfAioEvent,
  }),
  {
    id: 'sysctl-socket-memory',
    group: 'kernel',
    what: 'no sandbox can have all memory of TCP or UDP',
    why: 'Above the last number of net.ipv4.tcp_mem and udp_mem, which are for the whole machine, nobody can send.',
    run: socketMemory,
  },
  {
    id: 'sysctl-hugepages',
    group: 'kernel',
    what: 'no huge pages are set aside',
    why: 'They count towards no memory limit, and whoever asks for them first gets them all.',
    run: hugePages,
  },
  {
    id: 'sysctl-lwtunnel',
    group: 'kernel',
    what: 'nobody inside can change a setting of the host',
    why: 'net.netfilter.nf_hooks_lwtunnel holds for the whole machine, and the kernel lets root of any network namespace switch it on; users who nest can make one. Packets of lightweight tunnels (SRv6) then pass the firewall until the next restart.',
    run: lightweightTunnels,
  },
];

async function countedMemory(): Promise<Finding> {
  const line = (await readFile('/proc/cmdline', 'utf8')).trim().split(/\s+/);
  const off = line
    .filter((word) => word.startsWith('cgroup.memory='))
    .flatMap((word) => word.slice(14).split(','))
    .filter((word) => ['nokmem', 'nosocket'].includes(word));
  if (off.length === 0) return ok('nothing on the kernel command line says otherwise');
  const found = `cgroup.memory=${off.join(',')}`;
  return warning(found, 'Take it from the kernel command line (GRUB_CMDLINE_LINUX), and start again.');
}

async function terminals(context: Context): Promise<Finding> {
  const [most, reserve] = [await sysctl('kernel.pty.max'), await sysctl('kernel.pty.reserve')];
  if (most === undefined || reserve === undefined)
    return unknown('kernel.pty.* is not there', 'Mount /proc.');
  const { nests, sandboxes } = await population(context);
  const needed = (sandboxes + 1) * terminalsOfOne; // and as many for the host
  const others = Math.max(most - reserve, 1024);
  const seen = `kernel.pty.max is ${most}, kernel.pty.reserve ${reserve}; up to ${needed} may be needed`;
  const version = await upstreamVersion();
  if (nests && isOlder(version, '6.18')) {
    const why = `a user who nests can take them all: on Linux ${version} sandboxes may have no part in the reserve`;
    return warning(
      `${seen}; ${why}`,
      'Run Linux 6.18 or later, or allow nesting only for people whom you trust.',
    );
  }
  if ((nests ? reserve : most) >= needed) return ok(seen);
  if (!nests) return warning(seen, settings({ 'kernel.pty.max': needed }));
  return warning(seen, settings({ 'kernel.pty.max': needed + others, 'kernel.pty.reserve': needed }));
}

/** How many sandboxes there may be at a time, and whether anybody may nest. */
async function population(context: Context): Promise<{ sandboxes: number; nests: boolean }> {
  const [{ found, left }, { policy }] = [await context.subjects(), await context.policy()];
  const most = policy?.host.mostSandboxes ?? Number.POSITIVE_INFINITY;
  return {
    sandboxes: Math.min(found.length + left, most),
    nests: found.some((subject) => policyOf(subject)?.nesting === 'yes'),
  };
}

async function processes(context: Context): Promise<Finding> {
  const limits = [await sysctl('kernel.pid_max'), await sysctl('kernel.threads-max')];
  const most = Math.min(...limits.filter((limit) => limit !== undefined));
  const { found } = await context.subjects();
  const many = found.filter((subject) => {
    const policy = policyOf(subject);
    return policy !== undefined && policy.exempt !== 'yes' && (policy.pids ?? most) > most / 2;
  });
  const seen = `the machine has ${most}`;
  if (many.length === 0) return ok(seen);
  const names = many.map(({ account }) => account.name).slice(0, 10);
  return warning(
    `${seen}, and the policy lets ${names.join(', ')} have more than half of them`,
    `Set "pids" for them in the policy, or sysctl -w kernel.pid_max=4194304 kernel.threads-max=${2 ** 20}.`,
  );
}

async function socketMemory(context: Context): Promise<Finding> {
  const memories = (await context.subjects()).found.flatMap((subject) => {
    const policy = policyOf(subject);
    return policy === undefined || policy.exempt === 'yes' ? [] : [policy.memoryLimitBytes ?? totalmem()];
  });
  const { mode } = await cgroupsOf(context.mounts());
  const most = Math.max(0, ...memories) / (mode === 'v2' ? 1 : partOfSockets);
  const limits = await Promise.all(
    ['net.ipv4.tcp_mem', 'net.ipv4.udp_mem'].map(async (name) => ({ name, pages: await lastOf(name) })),
  );
  const seen = limits.flatMap(({ name, pages }) => (pages === undefined ? [] : [{ name, pages }]));
  if (seen.length < limits.length)
    return unknown(
      'this network namespace does not show them (a container?)',
      'Run sysctl net.ipv4.tcp_mem net.ipv4.udp_mem on the machine itself.',
    );
  const low = seen.filter(({ pages }) => pages * smallestPage < most);
  const found = seen.map(({ name, pages }) => `${name} ends at ${pages} pages`).join(', ');
  if (low.length === 0) return ok(found);
  const enough = 2 ** Math.ceil(Math.log2((2 * most) / smallestPage));
  const values = Object.fromEntries(low.map(({ name }) => [name, `"${enough / 2} ${enough / 2} ${enough}"`]));
  return warning(`${found}; a sandbox may have ${Math.ceil(most / smallestPage)}`, settings(values));
}

async function lastOf(name: string): Promise<number | undefined> {
  const text = await ifThere(readFile(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8'));
  return text === undefined ? undefined : Number(text.trim().split(/\s+/).at(-1));
}

async function hugePages(): Promise<Finding> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const count = Number(/^HugePages_Total: +(\d+)/m.exec(text)?.[1] ?? 0);
  if (count === 0) return ok('there are none');
  const fix =
    'Run sysctl -w vm.nr_hugepages=0 if nothing needs them. Otherwise --ignore sysctl-hugepages leaves this check out; a sandbox can still take them all.';
  return warning(`there are ${count}`, fix);
}

async function lightweightTunnels(context: Context): Promise<Finding> {
  const name = 'net.netfilter.nf_hooks_lwtunnel';
  const value = await sysctl(name);
  if (value === undefined) return ok('this kernel does not have it');
  if (value === 1) return ok('it is on already, and nobody can switch it off');
  if (!(await population(context)).nests) return ok('nobody nests');
  return warning(
    'it is off, and a user who nests can switch it on',
    `Switch it on if you use no such tunnels, so that it is not theirs to change: ${settings({ [name]: 1 })}`,
  );
}

// Checks which limits this host can hold.

import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { evaluate, limitsGiven } from '../../../policy/evaluate.ts';
import type { Mount } from '../../host/mounts.ts';
import { critical, type Finding, type HostCheck, ok, warning } from '../check.ts';
import type { Context } from '../context.ts';
import { ofProbe } from './kernel.ts';

/** Keys of the policy, and the controller that holds each. */
const limits = [
  { key: 'memory', controllers: ['memory'], needed: true },
  { key: 'cpus', controllers: ['cpu'], needed: true },
  { key: 'pids', controllers: ['pids'], needed: true },
  { key: 'io', controllers: ['io', 'blkio'], needed: false },
] as const;

interface Cgroups {
  readonly mode: 'v1' | 'v2' | 'hybrid' | 'none';
  readonly controllers: ReadonlySet<string>;
}

/** As src/isolation/cgroup/host.ts chooses: v1 hierarchies with a controller of ours come first. */
export async function cgroupsOf(mounts: readonly Mount[]): Promise<Cgroups> {
  const v2 = mounts.find(({ type }) => type === 'cgroup2');
  const v1 = mounts.filter(({ type }) => type === 'cgroup').flatMap(({ options }) => options);
  if (['memory', 'cpu', 'pids'].some((controller) => v1.includes(controller))) {
    return { mode: v2 === undefined ? 'v1' : 'hybrid', controllers: new Set(v1) };
  }
  if (v2 === undefined) return { mode: 'none', controllers: new Set() };
  const text = await readFile(join(v2.path, 'cgroup.controllers'), 'utf8');
  return { mode: 'v2', controllers: new Set(text.trim().split(/\s+/)) };
}

export const cgroupChecks: readonly HostCheck[] = [
  {
    id: 'cgroup-mode',
    group: 'cgroups',
    what: 'control groups are mounted',
    why: 'Without them no limit holds, and a sandbox could not be ended as a whole.',
    run: async (context) => {
      const { mode } = await cgroupsOf(context.mounts());
      if (mode === 'v2') return ok('version 2');
      if (mode !== 'none') return ok(`version 1${mode === 'hybrid' ? ', version 2 beside it' : ''}`);
      return critical('there is none', 'Mount it: mount -t cgroup2 none /sys/fs/cgroup');
    },
  },
  {
    id: 'cgroup-limits',
    group: 'cgroups',
    what: 'every limit of the policy can be held',
    why: 'A login is refused rather than let in without its limit.',
    run: heldLimits,
  },
  {
    id: 'cgroup-clone',
    group: 'cgroups',
    what: 'processes can be born in their cgroup',
    why: 'On version 2 a sandbox belongs to its cgroup from its first instruction on (CLONE_INTO_CGROUP).',
    run: async (context) => {
      const { mode } = await cgroupsOf(context.mounts());
      if (mode !== 'v2') return ok('not needed: limits are held by version 1');
      return await ofProbe(
        context,
        'cgroup-clone',
        'Run a kernel of version 5.19 or later, and doctor on the host itself.',
      );
    },
  },
];

/** By controller; undefined: nobody can tell, because the policy is broken. */
type Wanted = ReadonlyMap<string, ReadonlySet<string>> | undefined;

/** Of whom is here, and of somebody whom no section names. */
async function wantedLimits(context: Context): Promise<Wanted> {
  const { policy } = await context.policy();
  if (policy === undefined) return undefined;
  const stranger = evaluate(policy, { name: '', groups: [], host: hostname() });
  const { found } = await context.subjects();
  const wanted = new Map<string, Set<string>>();
  for (const evaluation of [stranger, ...found.map((subject) => subject.policy)])
    for (const [controller, keys] of limitsGiven(evaluation))
      wanted.set(controller, new Set([...(wanted.get(controller) ?? []), ...keys]));
  return wanted;
}

async function heldLimits(context: Context): Promise<Finding> {
  const { mode, controllers } = await cgroupsOf(context.mounts());
  const wanted = await wantedLimits(context);
  const keysOf = (limit: (typeof limits)[number]): string[] =>
    wanted === undefined ? [limit.key] : limit.controllers.flatMap((name) => [...(wanted.get(name) ?? [])]);
  const missing = limits.filter((limit) => !limit.controllers.some((name) => controllers.has(name)));
  const held = limits.filter((limit) => !missing.includes(limit)).map(({ key }) => key);
  const seen = `held: ${held.join(', ') || 'none'}`;
  // Nobody is refused for a limit that nobody gets.
  const lacking = missing.filter((limit) => keysOf(limit).length > 0);
  if (lacking.length === 0) {
    const unused = missing.map(({ key }) => key).join(', ');
    return await ofDaemon(context, unused === '' ? seen : `${seen}; not wanted by the policy: ${unused}`);
  }
  const names = lacking.map(({ key }) => key).join(', ');
  const how = mode === 'v2' ? 'cgroup.controllers at the top must list it' : 'mount its hierarchy';
  const keys = lacking.flatMap(keysOf).join(', ');
  const fix = `Give the host the controllers of ${names} (kernel command line: no cgroup_disable=; ${how}), or write "none" in the policy for: ${keys}.`;
  return lacking.some(({ needed }) => needed)
    ? critical(`${seen}; can't be held: ${names}`, fix)
    : warning(`${seen}; can't be held: ${names}`, fix);
}

/** The daemon has tried each, and knows which ones the policy sets for anybody, accounts that nobody lists among them. */
async function ofDaemon(context: Context, seen: string): Promise<Finding> {
  const daemon = await context.daemon();
  const unenforced = daemon.ok ? daemon.health.unenforced : [];
  if (unenforced.length === 0) return ok(seen);
  const reasons = unenforced.map(({ key, why }) => `"${key}": ${why}`).join('; ');
  const fix = 'Give the host what is missing, or take these limits away in the policy.';
  return critical(`${seen}; set by the policy, and can't be held: ${reasons}`, fix);
}

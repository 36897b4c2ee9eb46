// Which limits a policy sets for anybody: what the kernel has to be asked for.

import type { Controller, LimitKey } from '../isolation/cgroup-limits.ts';
import type { Policy } from '../policy/policy.ts';

/** Values other than "none" that limit nothing. */
const withoutEffect: Partial<Record<LimitKey, unknown>> = { cpu_weight: 100, oom_kills: 'process' };

/** Whether anybody may get something else than no limit. */
export function setsLimit(policy: Policy, key: LimitKey): boolean {
  const { defaults, imageSections, groups, userGlobs, users, builtin } = policy;
  const named = [...imageSections, ...groups, ...userGlobs].map(({ section }) => section);
  const isSet = (value: unknown): boolean =>
    value !== undefined && value !== null && value !== withoutEffect[key];
  return (
    (isSet(builtin[key]) && !defaults.some(({ values }) => values[key] === null)) ||
    [...defaults, ...named, ...[...users.values()].flat()].some(({ values }) => isSet(values[key]))
  );
}

/** Controllers that not every policy has a use for. */
export function rareControllersOf(policy: Policy): Set<Controller> {
  const io = (['io_read', 'io_write', 'io_read_ops', 'io_write_ops'] as const).some((key) =>
    setsLimit(policy, key),
  );
  return new Set([
    ...(setsLimit(policy, 'cpuset') ? ['cpuset' as const] : []),
    ...(io ? ['io' as const] : []),
  ]);
}

// Collects the limits that a policy sets for anybody, which the kernel has to be able to hold.
import type { ArchiveLimits } from '../../images/layers/program.ts';
import type { Controller } from '../../limits/entry.ts';
import { type LimitKey, limitEntries, limitsAnything, rareControllers } from '../../limits/limits.ts';

import type { EffectivePolicy, ImagesPolicy, Policy, SectionPolicy } from '../../policy/policy.ts';

/** Limits that no cgroup holds. */
export type DiskKey = 'disk' | 'inodes';

/** Whether anybody may get something else than no limit. */
export function setsLimit(policy: Policy, key: LimitKey | DiskKey): boolean {
  const { defaults, builtin } = policy;
  const isSet = (value: unknown): boolean =>
    key === 'disk' || key === 'inodes' ? typeof value === 'number' : limitsAnything(key, value);
  return (
    (isSet(builtin[key]) && !defaults.some(({ values }) => values[key] === null)) ||
    sectionsOf(policy).some(({ values }) => isSet(values[key]))
  );
}

/** Whether anybody may get something else than the keys of the host. */
export function keysInside(policy: Policy): boolean {
  return sectionsOf(policy).some(({ values }) => (values.authorized_keys ?? 'host') !== 'host');
}

function sectionsOf({ defaults, imageSections, groups, userGlobs, users }: Policy): SectionPolicy[] {
  const named = [...imageSections, ...groups, ...userGlobs].map(({ section }) => section);
  return [...defaults, ...named, ...[...users.values()].flat()];
}

/** What anybody may get for "disk_backend". */
export function diskBackendsOf(policy: Policy): Set<EffectivePolicy['diskBackend']> {
  const values = [policy.builtin, ...sectionsOf(policy).map((section) => section.values)];
  return new Set(values.flatMap(({ disk_backend: backend }) => backend ?? []));
}

/** Controllers that not every policy has a use for. */
export function rareControllersOf(policy: Policy): Set<Controller> {
  const set = limitEntries.filter(([key, { controller }]) => {
    return rareControllers.includes(controller) && setsLimit(policy, key);
  });
  return new Set(set.map(([, { controller }]) => controller));
}

/** Looked up whenever an archive is read, so that an edit of the policy counts for the next one. */
export function archiveLimitsOf(policy: { readonly images: ImagesPolicy }): ArchiveLimits {
  return {
    get maxEntries() {
      return policy.images.maxEntries;
    },
    get maxBytes() {
      return policy.images.maxBytes;
    },
  };
}

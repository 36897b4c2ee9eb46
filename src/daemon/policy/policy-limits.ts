// Collects the limits that a policy sets for anybody, which the kernel has to be able to hold.
import type { ArchiveLimits } from '../../images/layers/program.ts';
import type { Controller } from '../../limits/entry.ts';
import { type LimitKey, limitEntries, limitsAnything, rareControllers } from '../../limits/limits.ts';

import type { Names } from '../../policy/parse/header.ts';
import type { EffectivePolicy, ImagesPolicy, Policy, SectionPolicy } from '../../policy/policy.ts';

/** Limits that no cgroup holds. */
export type DiskKey = 'disk' | 'inodes';

/** Whether anybody may get something else than no limit. */
export function setsLimit(policy: Policy, key: LimitKey | DiskKey): boolean {
  const isSet = (value: unknown): boolean =>
    key === 'disk' || key === 'inodes' ? typeof value === 'number' : limitsAnything(key, value);
  const { builtin, defaults, imageSections, groups, userGlobs, users } = policy;
  // Lowest first. What a section that is for everybody says, hides all below.
  const named = [
    { values: builtin, ofAll: true },
    ...defaults.map(({ values }) => ({ values, ofAll: true })),
    ...[...imageSections, ...groups].map(({ section: { values } }) => ({ values, ofAll: false })),
    ...userGlobs.map(({ names, section: { values } }) => ({ values, ofAll: isOfAll(names) })),
    ...[...users.values()].flat().map(({ values }) => ({ values, ofAll: false })),
  ].filter(({ values }) => values[key] !== undefined);
  const from = named.findLastIndex(({ ofAll }) => ofAll);
  return named.slice(Math.max(0, from)).some(({ values }) => isSet(values[key]));
}

/** Whoever is named in it besides has a place of their own, and what is said there counts by itself. */
const isOfAll = ({ exact, globs }: Names): boolean =>
  exact.length === 0 && globs.some(({ everything }) => everything);

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

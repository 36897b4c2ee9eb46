// Lists the images that a policy names, with where: for whoever would remove one, or has none of that name. Pure.

import type { Place, Policy, SectionPolicy } from './policy.ts';

export interface NamedImage extends Place {
  /** As written: "debian:13". */
  readonly image: string;
  readonly section: string;
  readonly key: 'image' | 'rescue';
}

/** Of every section, also of those that another one comes after. What depends on the user ("%u") is left out. */
export function imagesNamed(policy: Policy): NamedImage[] {
  const sections = [
    ...policy.defaults,
    ...[...policy.imageSections, ...policy.groups, ...policy.userGlobs].map(({ section }) => section),
    ...[...policy.users.values()].flat(),
  ];
  return sections.flatMap((section) => [...namedIn(section, 'image'), ...namedIn(section, 'rescue')]);
}

function namedIn(section: SectionPolicy, key: NamedImage['key']): NamedImage[] {
  const setting = section.settings.get(key);
  const image = section.values[key];
  if (setting === undefined || typeof image !== 'string') return [];
  return [{ image, section: section.name, key, file: setting.file, line: setting.line }];
}

// Picks the sections that hold for a user, in their order of precedence. Evaluation and explanation both begin with
// it. Pure.
//
//   built-in  <  [defaults]  <  [image:NAME]  <  [group:NAME]  <  [user:GLOB]  <  [user:NAME]  <  the user's own
//
// Of two of one kind the later one counts: further down in the file, or in a later file.

import { imageSpellings } from '../lib/text/image-name.ts';
import { expand, type Subject } from './expand.ts';
import { matches } from './parse/header.ts';
import type { NamedPolicy, Policy, SectionPolicy, Setting } from './policy.ts';
import { builtinTexts, describePolicyKey, type PolicyKey } from './schema.ts';

const sectionsFor = (named: readonly NamedPolicy[], wanted: (one: NamedPolicy) => boolean): SectionPolicy[] =>
  named.filter(wanted).map(({ section }) => section);

/** Lowest first. `own`: what the user has set, already within bounds. */
export function sectionsInOrder(
  policy: Policy,
  subject: Subject,
  own: readonly SectionPolicy[] = [],
): SectionPolicy[] {
  const { name, groups: member } = subject;
  const groups = sectionsFor(policy.groups, ({ names }) => member.some((group) => matches(names, group)));
  const globs = sectionsFor(
    policy.userGlobs,
    ({ names }) => !names.exact.includes(name) && names.globs.some((glob) => glob.test(name)),
  );
  const above = [...groups, ...globs, ...(policy.users.get(name) ?? []), ...own];
  if (policy.imageSections.length === 0) return [...policy.defaults, ...above];
  const image = textOf([...policy.defaults, ...above], 'image', subject);
  // However the name is written, the same sections are for it.
  const spellings = image?.ok === true ? imageSpellings(image.text, policy.images.registry) : [];
  const images = sectionsFor(policy.imageSections, ({ names }) =>
    spellings.some((spelling) => matches(names, spelling)),
  );
  return [...policy.defaults, ...images, ...above];
}

/** What holds for a user, lowest first: "dockersh.ini:12 [group:students]". */
export function sectionNames(policy: Policy, subject: Subject): string[] {
  return sectionsInOrder(policy, subject).map(
    ({ name, file, line }) => `${file.slice(file.lastIndexOf('/') + 1)}:${line} [${name}]`,
  );
}

/** Every place that says something of a key, whomever it is for. */
export function settingsNaming(policy: Policy, key: PolicyKey): Setting[] {
  const named = [...policy.imageSections, ...policy.groups, ...policy.userGlobs].map(
    ({ section }) => section,
  );
  return [...policy.defaults, ...named, ...[...policy.users.values()].flat()].flatMap(({ settings }) => {
    const setting = settings.get(key);
    return setting === undefined ? [] : [setting];
  });
}

/** What a key's text comes to, or why it comes to nothing; undefined where nobody says anything. */
export function textOf(
  sections: readonly SectionPolicy[],
  key: PolicyKey,
  subject: Subject,
): ReturnType<typeof expand> | undefined {
  const written = sections
    .map(({ settings }) => settings.get(key))
    .filter((setting) => setting !== undefined);
  const text = written.reduce<string | undefined>(joined, builtinTexts[key]);
  const { expands } = describePolicyKey(key);
  if (text === undefined || expands === undefined) return text === undefined ? undefined : { ok: true, text };
  return expand(text, subject, expands);
}

/** A setting after what was said before it. */
export function joined(before: string | undefined, { text, append }: Setting): string {
  if (!append || before === undefined || before === 'none' || before === '') return text;
  return text === 'none' ? before : `${before} ${text}`;
}

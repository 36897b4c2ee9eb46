// Finds the users whom an edit of the policy concerns, and sections that concern nobody. Pure.

import type { Subject } from './expand.ts';
import { texts } from './explain.ts';
import type { NamedPolicy, Policy } from './policy.ts';
import type { Problem } from './problem.ts';

export interface Change {
  readonly key: string;
  /** null: not set. */
  readonly before: string | null;
  readonly after: string | null;
}

/** The same changes for all these users. */
export interface Affected {
  readonly users: readonly string[];
  readonly changes: readonly Change[];
}

export function affectedBy(before: Policy, after: Policy, users: Iterable<Subject>): Affected[] {
  const groups = new Map<string, { users: string[]; changes: readonly Change[] }>();
  for (const user of users) {
    const changes = changesOf(texts(before, user), texts(after, user));
    if (changes.length === 0) continue;
    const id = JSON.stringify(changes);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, { users: [user.name], changes });
    else group.users.push(user.name);
  }
  return [...groups.values()];
}

function changesOf(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): Change[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key): Change[] => {
    const [was = null, is = null] = [before.get(key), after.get(key)];
    return was === is ? [] : [{ key, before: was, after: is }];
  });
}

/** Every name that a section says outright. */
export function namedUsers(policy: Policy): string[] {
  return [...policy.users.keys()];
}

/** A warning for every name in a header that is nobody's, and every glob that fits nobody. */
export function unusedSections(
  policy: Policy,
  users: ReadonlyMap<string, Subject>,
  groups: ReadonlySet<string>,
): Problem[] {
  const problems: Problem[] = [];
  const warn = (
    { file, line, name }: { file: string; line: number; name: string },
    message: string,
  ): void => {
    problems.push({ severity: 'warning', file, line, column: 1, message: `[${name}]: ${message}` });
  };
  for (const [name, sections] of policy.users) {
    if (users.has(name)) continue;
    for (const section of sections) warn(section, `this host has no user ${name}`);
  }
  const fitsNobody = ({ names }: NamedPolicy, all: Iterable<string>): boolean =>
    names.globs.length > 0 && ![...all].some((one) => names.globs.some((glob) => glob.test(one)));
  for (const one of policy.userGlobs) {
    if (fitsNobody(one, users.keys())) warn(one.section, 'no user of this host fits');
  }
  for (const one of policy.groups) {
    for (const name of one.names.exact.filter((exact) => !groups.has(exact)))
      warn(one.section, `this host has no group ${name}`);
    if (fitsNobody(one, groups)) warn(one.section, 'no group of this host fits');
  }
  return problems;
}

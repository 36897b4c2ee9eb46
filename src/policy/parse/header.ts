// Parses the name of a section: "defaults", "user:alice, stud*", "group:lab", "image:lab/*". Pure.

import { nearest } from '../../lib/text/nearest.ts';
import { type GlobTest, globTest, isGlob } from '../glob.ts';

/** Names and globs of a header; what is between commas. */
export interface Names {
  readonly exact: readonly string[];
  readonly globs: readonly GlobTest[];
}

export type SingleSection = 'defaults' | 'images' | 'host' | 'gateway';
export type NamedSection = 'user' | 'group' | 'image';

export type Header =
  | { readonly kind: SingleSection }
  | { readonly kind: NamedSection; readonly names: Names };

export type HeaderProblem = { readonly problem: string; readonly hint?: string };

const single: readonly string[] = ['defaults', 'images', 'host', 'gateway'] satisfies SingleSection[];
const named: readonly string[] = ['user', 'group', 'image'] satisfies NamedSection[];

/** Longest name that any user database of Linux hands out, with room to spare. */
const longestName = 256;

const forbidden: Record<NamedSection, RegExp> = { user: /[:/]/, group: /[:/]/, image: /\s/ };

export function parseHeader(text: string): Header | HeaderProblem {
  if (isSingle(text)) return { kind: text };
  const [prefix = '', rest] = text.split(/:(.*)/su);
  if (rest === undefined || !isNamed(prefix)) {
    return { problem: `no such section: [${text}]`, hint: hintFor(text, prefix, rest) };
  }
  const exact: string[] = [];
  const globs: GlobTest[] = [];
  // A blank right behind the colon, or at the very end, is more likely a slip than a list.
  const parts = rest.split(',').map((part, index) => (index === 0 ? part : part.trimStart()));
  for (const [index, part] of parts.entries()) {
    const name = index === parts.length - 1 ? part : part.trimEnd();
    const glob = isGlob(name) ? globTest(name) : undefined;
    const wrong = name === '' || name !== name.trim() || name.length > longestName;
    if (wrong || forbidden[prefix].test(name)) {
      const problem = `[${text}]: "${name}" cannot be the name of ${articles[prefix]}`;
      return { problem, hint: `write [${prefix}:NAME], or several names with commas between` };
    }
    if (glob === undefined) exact.push(name);
    else if ('problem' in glob) return { problem: `[${text}]: ${glob.problem}` };
    else globs.push(glob);
  }
  return { kind: prefix, names: { exact, globs } };
}

const articles: Record<NamedSection, string> = { user: 'a user', group: 'a group', image: 'an image' };

export function matches({ exact, globs }: Names, name: string): boolean {
  return exact.includes(name) || globs.some((glob) => glob.test(name));
}

function isSingle(text: string): text is SingleSection {
  return single.includes(text);
}

function isNamed(text: string): text is NamedSection {
  return named.includes(text);
}

function hintFor(text: string, prefix: string, rest: string | undefined): string {
  const near = rest === undefined ? undefined : nearest(prefix, named);
  if (near !== undefined) return `did you mean [${near}:${rest}]?`;
  const guess = nearest(text, single);
  return guess === undefined
    ? 'sections are [defaults], [group:NAME], [user:NAME], [image:NAME], [images] and [host]'
    : `did you mean [${guess}]?`;
}

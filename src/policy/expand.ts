// Expands %u and the like in settings. The name that is put in comes from a user database, which for a directory
// service others than root may write: where it becomes part of a path or an image's name, it must be one component of
// it, and never "..". Pure.

import { createHash } from 'node:crypto';

/** Whom a policy is asked about. What is not known (there is no such account) is undefined. */
export interface Subject {
  /** As the system's user database writes it; compared letter by letter. */
  readonly name: string;
  readonly uid?: number | undefined;
  /** Name of the primary group. */
  readonly group?: string | undefined;
  /** Names of all groups, the primary one among them. */
  readonly groups: readonly string[];
  readonly home?: string | undefined;
  /** Name of this host. */
  readonly host: string;
}

/** What an expansion becomes part of. `label`: characters that host names lack become dashes. */
export type Expansion = 'path' | 'label' | 'text';

export type Expanded =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problem: string };

/** For checking a setting before there is a user. */
export const sampleSubject: Subject = {
  name: 'user',
  uid: 1000,
  group: 'group',
  groups: ['group'],
  home: '/home/user',
  host: 'host',
};

const readers: Readonly<Record<string, (subject: Subject) => string | undefined>> = {
  u: ({ name }) => name,
  U: ({ uid }) => uid?.toString(),
  g: ({ group }) => group,
  h: ({ home }) => home,
  H: ({ host }) => host,
  '%': () => '%',
};

const component = /^[^\s/:,%\p{Cc}]+$/u;
const wholePath = /^(?:\/[^\s/:,%\p{Cc}]+)+$/u;

function faultOf(letter: string, value: string, expansion: Expansion): string | undefined {
  if (letter === '%' || expansion === 'label') return undefined;
  if (expansion === 'text') return /\p{Cc}/u.test(value) ? 'has a control character' : undefined;
  const dots = value.split('/').some((part) => part === '.' || part === '..');
  if (letter === 'h') return dots || !wholePath.test(value) ? 'is no plain absolute path' : undefined;
  return dots || !component.test(value) ? 'cannot be part of a path' : undefined;
}

/** Everything but letters, digits and dots becomes a dash; none at the ends of a label, and no label is empty. */
const asLabel = (value: string): string =>
  value
    .replaceAll(/[^A-Za-z0-9.]+/g, '-')
    .split('.')
    .map((label) => label.replaceAll(/^-|-$/g, ''))
    .filter((label) => label !== '')
    .join('.');

/** Whether there is anything to expand. */
export function hasExpansion(text: string): boolean {
  return text.includes('%');
}

export function expand(text: string, subject: Subject, expansion: Expansion): Expanded {
  let problem: string | undefined;
  const expanded = text.replaceAll(/%(.?)/gsu, (whole, letter: string) => {
    const read = Object.hasOwn(readers, letter) ? readers[letter] : undefined;
    if (read === undefined) {
      problem ??= `has "${whole}", which is none of %u %U %g %h %H; a percent sign is written %%`;
      return '';
    }
    const value = read(subject);
    const fault = value === undefined ? 'is not known' : faultOf(letter, value, expansion);
    if (value === undefined || fault !== undefined) {
      problem ??= `has ${whole}, which for ${subject.name} ${value === undefined ? '' : `is "${value}" and `}${fault ?? ''}`;
      return '';
    }
    return expansion === 'label' ? asLabel(value) : value;
  });
  if (problem !== undefined) return { ok: false, problem };
  return { ok: true, text: expansion === 'label' ? shortened(expanded) : expanded };
}

/** What the kernel takes as a host's name (HOST_NAME_MAX), and DNS as one part of it (RFC 1035, section 2.3.4). */
const longest = { name: 64, label: 63 } as const;
const digits = 8;

/** As it is where it is not too long; or else its beginning, and digits that tell it from others that begin so. */
function shortened(name: string): string {
  const fits = name.length <= longest.name && name.split('.').every((label) => label.length <= longest.label);
  if (fits) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, digits);
  const beginning = name.slice(0, longest.label - digits - 1).replace(/[-.]+$/, '');
  return `${beginning}-${hash}`;
}

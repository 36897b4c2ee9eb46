// Reads a user's own settings: taken as far as root lets them, and never further. Nothing in it can stop a login;
// what does not count is a problem that the user is told. Pure.

import { isDeepStrictEqual } from 'node:util';
import type { ImagesPolicy } from '../effective.ts';
import { valuesOf } from '../evaluate.ts';
import { hasExpansion, type Subject } from '../expand.ts';
import { ownPortsFault } from '../network/own-ports.ts';
import type { HostPolicy, Policy, SectionPolicy } from '../policy.ts';
import type { Problem } from '../problem.ts';
import { describePolicyKey, type PolicyKey, type PolicySection } from '../schema.ts';
import { isAllowedImage } from '../values/allowed-image.ts';
import { reporter } from './file.ts';
import { scanSettings } from './ini-text.ts';
import { parseUserSection } from './section.ts';

/** In the home, as messages name it. */
export const userFileName = '.dockersh.ini';
export const userFileShown = `~/${userFileName}`;
export const largestUserFileBytes = 16 * 1024;

export interface UserSettings {
  /** Within all bounds; of use for evaluate and explain. */
  readonly own: readonly SectionPolicy[];
  readonly problems: readonly Problem[];
}

/** Where lines of a user's come from, and which keys they may name; without, what "user_may_set" says. */
export interface UserSource {
  readonly shown: string;
  readonly may?: readonly string[];
}

const ownFile: UserSource = { shown: userFileShown };

/** `policy` and `subject` say what root gives; the text is anybody's. */
export function userSettings(
  text: string,
  policy: Policy,
  subject: Subject,
  { shown, may }: UserSource = ownFile,
): UserSettings {
  const problems: Problem[] = [];
  const given = valuesOf(policy, subject);
  if (!given.ok) return { own: [], problems };
  const report = reporter(shown, problems);
  const { sections, problems: unread } = scanSettings(text, 'your own');
  for (const problem of unread) report(problem, problem.message, problem.hint);
  const [first, ...others] = sections;
  for (const other of others) report(other, 'this file has no sections', 'write key = value lines only');
  const parsed = first === undefined ? undefined : parseUserSection(first, shown, report);
  if (parsed?.kind !== 'settings') return { own: [], problems };

  const allowed = allowedOf(parsed.section, may ?? given.values.user_may_set ?? [], problems);
  // The image first: its own section may move the bounds of everything else.
  const image = allowedImage(allowed, given.values, policy.images, problems);
  const withImage = valuesOf(policy, subject, image);
  const bounds = withImage.ok ? withImage.values : given.values;
  const rest = withinBounds(allowed, bounds, policy.host, problems);
  return { own: [...(withImage.ok ? image : []), rest], problems };
}

function complain(section: SectionPolicy, key: string, message: string, problems: Problem[]): void {
  const setting = [...section.settings, ...section.env].find(([name]) => name === key)?.[1];
  problems.push({
    severity: 'error',
    file: section.file,
    line: setting?.line ?? 0,
    message: `${key}: ${message}`,
  });
}

/** Only what may be set, and of that only what means the same for everybody. */
function allowedOf(section: SectionPolicy, named: readonly string[], problems: Problem[]): SectionPolicy {
  const may = new Set(named);
  const refused = (key: PolicyKey): string | undefined => {
    const text = section.settings.get(key)?.text ?? '';
    if (!may.has(key)) return 'you may not set this';
    if (section.settings.get(key)?.append === true) return '"+=" is not for this file';
    const expands = describePolicyKey(key).expands !== undefined && hasExpansion(text);
    return expands ? '% stands for nothing in this file' : undefined;
  };
  const keys = [...section.settings.keys()].filter((key) => {
    const why = refused(key);
    if (why !== undefined) complain(section, key, why, problems);
    return why === undefined;
  });
  const env = may.has('env') ? section.env : new Map();
  if (!may.has('env'))
    for (const name of section.env.keys()) complain(section, name, 'you may not set variables', problems);
  return { ...only(section, keys), env };
}

function only(section: SectionPolicy, keys: readonly PolicyKey[]): SectionPolicy {
  const kept = <T>(entries: Iterable<[string, T]>): [string, T][] =>
    [...entries].filter(([key]) => keys.some((one) => one === key));
  return {
    ...section,
    values: Object.fromEntries(kept(Object.entries(section.values))) as PolicySection,
    settings: new Map([...section.settings].filter(([key]) => keys.includes(key))),
    dependent: [],
  };
}

function allowedImage(
  section: SectionPolicy,
  given: PolicySection,
  images: ImagesPolicy,
  problems: Problem[],
): SectionPolicy[] {
  const image = section.values.image;
  if (image === undefined) return [];
  const { registry } = images;
  if (image === given.image || isAllowedImage(image, given.images_allowed ?? [], registry))
    return [{ ...only(section, ['image']), env: new Map() }];
  complain(section, 'image', `"${image}" is none of the images that you may choose`, problems);
  return [];
}

function withinBounds(
  section: SectionPolicy,
  bounds: PolicySection,
  host: HostPolicy,
  problems: Problem[],
): SectionPolicy {
  const keys = [...section.settings.keys()].filter((key) => {
    const bound = describePolicyKey(key).user;
    if (bound === 'free') return true;
    if (bound === 'ports') return portsAreOwn(section, bounds, host, problems);
    if (bound !== 'most' && bound !== 'least') return false;
    const [wanted, most] = [amount(section.values[key]), amount(bounds[key])];
    if (bound === 'most' ? wanted <= most : wanted >= most) return true;
    const text = section.settings.get(key)?.text ?? '';
    complain(section, key, `${text} is ${bound === 'most' ? 'more' : 'less'} than you may set`, problems);
    return false;
  });
  return only(section, keys);
}

const loopback: readonly (string | undefined)[] = [undefined, '127.0.0.1', '::1'];

/** Entries that root has as well, and ports of the user's own, where root's own entries are bound or nearer. */
function portsAreOwn(
  section: SectionPolicy,
  bounds: PolicySection,
  host: HostPolicy,
  problems: Problem[],
): boolean {
  const wrong = (section.values.publish ?? []).find(
    (entry) =>
      !(bounds.publish ?? []).some((one) => isDeepStrictEqual(one, entry)) &&
      !(entry.own && [...loopback, bounds.publish_address].includes(entry.address)),
  );
  if (wrong === undefined) {
    const fault = ownPortsFault(section.values, host);
    if (fault !== undefined) complain(section, 'publish', fault, problems);
    return fault === undefined;
  }
  const message = wrong.own
    ? `${wrong.address} is not an address that you may publish at`
    : `port ${wrong.first} is not yours: write +0 for the first of your own ports`;
  complain(section, 'publish', message, problems);
  return false;
}

/** "No limit" is more than any. */
function amount(value: unknown): number {
  return typeof value === 'number' ? value : Number.POSITIVE_INFINITY;
}

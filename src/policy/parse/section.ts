// Parses the settings of one section: each key must be known, stand once, and have a value that is accepted. Pure.

import type * as z from 'zod';
import { nearest } from '../../lib/text/nearest.ts';
import { expand, hasExpansion, sampleSubject } from '../expand.ts';
import type { SectionPolicy, Setting } from '../policy.ts';
import type { Problem } from '../problem.ts';
import {
  checkPolicyValue,
  describePolicyKey,
  type GatewaySection,
  gatewaySection,
  type HostSection,
  hostSection,
  type ImagesSection,
  imagesSection,
  isPolicyKey,
  type PolicyKey,
  type PolicySection,
  policyKeys,
} from '../schema.ts';
import type { IniEntry, IniSection } from './ini-text.ts';

type Spot = { readonly line: number; readonly column: number };
export type Report = (spot: Spot, message: string, hint?: string, severity?: Problem['severity']) => void;

export type Parsed =
  | { readonly kind: 'settings'; readonly section: SectionPolicy }
  | { readonly kind: 'images'; readonly values: ImagesSection }
  | { readonly kind: 'host'; readonly values: HostSection }
  | { readonly kind: 'gateway'; readonly values: GatewaySection };

export const variablePrefix = 'env.';
const variablePattern = /^env\.([A-Za-z_][A-Za-z0-9_]*)$/;
/** What the sandbox itself has to say. */
const ownVariables = ['HOME', 'USER', 'LOGNAME', 'SHELL'];
const longestVariable = 8192;

/** The name that follows "env.", where the key is of that form. */
export function variableOf(key: string): string | undefined {
  return variablePattern.exec(key)?.[1];
}

const keySpot = ({ line, keyColumn }: IniEntry): Spot => ({ line, column: keyColumn });
const valueSpot = ({ line, valueColumn }: IniEntry): Spot => ({ line, column: valueColumn });
/** Problems go to logs: a name and password in a URL do not. */
const shown = (text: string): string => (text === '' ? 'nothing' : `"${text.replace(/:\/\/.*@/, '://…@')}"`);

function onceEach(section: IniSection, report: Report): IniEntry[] {
  const seen = new Map<string, IniEntry>();
  for (const entry of section.entries) {
    const first = seen.get(entry.key);
    if (first === undefined) seen.set(entry.key, entry);
    else
      report(keySpot(entry), `${entry.key} is set twice in [${section.name}]`, `first in line ${first.line}`);
  }
  return [...seen.values()];
}

function unknownKey(entry: IniEntry, known: readonly string[], report: Report): void {
  const guess = nearest(entry.key, known);
  const hint = guess === undefined ? undefined : `did you mean ${guess}?`;
  report(keySpot(entry), `no such key: ${entry.key}`, hint);
}

/** The same for everybody, so nothing in it adds or expands. */
function parsePlain<Schema extends z.ZodType>(
  section: IniSection,
  { keys, schema }: { readonly keys: readonly string[]; readonly schema: Schema },
  report: Report,
): z.output<Schema> | undefined {
  const entries = new Map<string, IniEntry>();
  for (const entry of onceEach(section, report)) {
    if (!keys.includes(entry.key)) unknownKey(entry, keys, report);
    else if (entry.append) report(keySpot(entry), `${entry.key} is no list that "+=" could add to`);
    else entries.set(entry.key, entry);
  }
  const texts = Object.fromEntries([...entries].map(([key, entry]) => [key, entry.value]));
  const result = schema.safeParse(texts);
  for (const issue of result.error?.issues ?? []) {
    const entry = entries.get(String(issue.path[0]));
    if (entry !== undefined) report(valueSpot(entry), `${entry.key}: ${shown(entry.value)} ${issue.message}`);
  }
  return result.data;
}

export function parseImagesSection(section: IniSection, report: Report): Parsed {
  return { kind: 'images', values: parsePlain(section, imagesSection, report) ?? {} };
}

export function parseHostSection(section: IniSection, report: Report): Parsed {
  return { kind: 'host', values: parsePlain(section, hostSection, report) ?? {} };
}

export function parseGatewaySection(section: IniSection, report: Report): Parsed {
  return { kind: 'gateway', values: parsePlain(section, gatewaySection, report) ?? {} };
}

/** `without`: keys that make no sense in this kind of section. */
export function parseUserSection(
  section: IniSection,
  file: string,
  report: Report,
  without: readonly PolicyKey[] = [],
): Parsed {
  const settings = new Map<PolicyKey, Setting>();
  const env = new Map<string, Setting>();
  const values: Partial<Record<PolicyKey, unknown>> = {};
  const dependent: PolicyKey[] = [];
  const known = policyKeys.filter((key) => !without.includes(key));
  for (const entry of onceEach(section, report)) {
    const { key, value: text, line, append } = entry;
    const setting = { text, append, file, line };
    const variable = variableOf(key);
    if (variable !== undefined) {
      if (variableIsFine(variable, entry, report)) env.set(variable, setting);
    } else if (key.startsWith(variablePrefix)) {
      report(keySpot(entry), `${key}: that is no name of an environment variable`);
    } else if (!isPolicyKey(key) || without.includes(key)) {
      unknownKey(entry, known, report);
    } else if (valueIsFine(key, entry, report)) {
      settings.set(key, setting);
      if (append || depends(key, text)) dependent.push(key);
      else values[key] = acceptedValue(key, text);
    }
  }
  const { name, line } = section;
  // Every value is what the key's own type made of its text.
  const own = values as PolicySection;
  return { kind: 'settings', section: { name, file, line, values: own, settings, dependent, env } };
}

/** Whether the value is another one for each user. */
export function depends(key: PolicyKey, text: string): boolean {
  return describePolicyKey(key).expands !== undefined && hasExpansion(text);
}

function acceptedValue(key: PolicyKey, text: string): unknown {
  const checked = checkPolicyValue(key, text);
  return checked.ok ? checked.value : undefined;
}

function variableIsFine(variable: string, entry: IniEntry, report: Report): boolean {
  if (entry.append) report(keySpot(entry), `${entry.key} is no list that "+=" could add to`);
  else if (ownVariables.includes(variable))
    report(keySpot(entry), `${entry.key}: the sandbox itself says what ${variable} is`);
  else if (Buffer.byteLength(entry.value) > longestVariable)
    report(valueSpot(entry), `${entry.key}: the value is too long: at most ${longestVariable} bytes`);
  else return true;
  return false;
}

function valueIsFine(key: PolicyKey, entry: IniEntry, report: Report): boolean {
  const { expands, list } = describePolicyKey(key);
  if (entry.append && list !== true) {
    report(keySpot(entry), `${key} is no list that "+=" could add to`, `write ${key} = …`);
    return false;
  }
  const expanded = expands === undefined ? undefined : expand(entry.value, sampleSubject, expands);
  const checked = expanded?.ok === false ? expanded : checkPolicyValue(key, expanded?.text ?? entry.value);
  if (checked.ok) return true;
  report(valueSpot(entry), `${key}: ${shown(entry.value)} ${checked.problem}`);
  return false;
}

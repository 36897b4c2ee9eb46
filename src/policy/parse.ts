// INI text in, a policy or a list of problems with their places out. Pure.

import type { z } from 'zod';
import { nearest } from '../lib/nearest.ts';
import { type IniEntry, type IniSection, scanIni } from './ini-text.ts';
import type { ImagesPolicy, KeyLines, Policy, SectionPolicy } from './policy.ts';
import type { Problem } from './problem.ts';
import {
  builtinDefaults,
  ImagesSection,
  imagesDefaults,
  imagesKeys,
  PolicySection,
  policyKeys,
  required,
} from './schema.ts';

export interface ParsedPolicy {
  /** Absent when there is any error. */
  readonly policy?: Policy;
  readonly problems: readonly Problem[];
}

type Place = { readonly line: number; readonly column: number };
type Report = (place: Place, message: string, hint?: string, severity?: Problem['severity']) => void;
type SectionKind =
  | { readonly kind: 'defaults' }
  | { readonly kind: 'images' }
  | { readonly kind: 'user'; readonly user: string };

/** The keys of a kind of section, and what takes their texts. */
interface Keys<Schema extends z.ZodType> {
  readonly names: readonly string[];
  readonly schema: Schema;
}

interface ParsedSection<Values> {
  readonly values: Values;
  readonly lines: ReadonlyMap<string, number>;
}

const userKeys = { names: policyKeys, schema: PolicySection };
const imageKeys = { names: imagesKeys, schema: ImagesSection };

/** Longest user name that any user database of Linux hands out, with room to spare. */
const longestUserName = 256;

/** What a section is about; anything that is no section is reported. */
function kindOf(section: IniSection, report: Report): SectionKind | undefined {
  const { name } = section;
  if (name === 'defaults' || name === 'images') return { kind: name };
  if (!name.startsWith('user:')) {
    report(section, `no such section: [${name}]`, hintForSection(name));
    return undefined;
  }
  const user = name.slice('user:'.length);
  if (user === '' || user !== user.trim() || /[:/]/.test(user) || user.length > longestUserName) {
    report(section, `[${name}]: "${user}" cannot be the name of a user`, 'write [user:NAME]');
    return undefined;
  }
  if (user === 'root') {
    report(section, '[user:root] has no effect', 'root never gets a sandbox', 'warning');
  }
  return { kind: 'user', user };
}

function hintForSection(name: string): string {
  const [prefix = '', rest] = name.split(/:(.*)/s);
  if (rest !== undefined && nearest(prefix, ['user']) !== undefined) return `did you mean [user:${rest}]?`;
  const guess = nearest(name, ['defaults', 'images']);
  return guess === undefined
    ? 'sections are [defaults], [user:NAME] and [images]'
    : `did you mean [${guess}]?`;
}

/** The known keys of a section, each once. */
function knownEntries(section: IniSection, names: readonly string[], report: Report): Map<string, IniEntry> {
  const known = new Map<string, IniEntry>();
  for (const entry of section.entries) {
    const place = { line: entry.line, column: entry.keyColumn };
    if (!names.includes(entry.key)) {
      const guess = nearest(entry.key, names);
      report(place, `no such key: ${entry.key}`, guess === undefined ? undefined : `did you mean ${guess}?`);
      continue;
    }
    const first = known.get(entry.key);
    if (first === undefined) known.set(entry.key, entry);
    else report(place, `${entry.key} is set twice in [${section.name}]`, `first in line ${first.line}`);
  }
  return known;
}

function parseSection<Schema extends z.ZodType>(
  section: IniSection,
  { names, schema }: Keys<Schema>,
  report: Report,
): ParsedSection<z.output<Schema>> | undefined {
  const entries = knownEntries(section, names, report);
  const texts = Object.fromEntries([...entries].map(([key, entry]) => [key, entry.value]));
  const result = schema.safeParse(texts);
  for (const issue of result.error?.issues ?? []) {
    const [key] = issue.path;
    const entry = typeof key === 'string' ? entries.get(key) : undefined;
    const place = entry === undefined ? section : { line: entry.line, column: entry.valueColumn };
    const value = entry === undefined || entry.value === '' ? 'nothing' : `"${entry.value}"`;
    report(place, `${String(key)}: ${value} ${issue.message}`);
  }
  if (!result.success) return undefined;
  return { values: result.data, lines: new Map([...entries].map(([key, entry]) => [key, entry.line])) };
}

function parseUserSection(section: IniSection, report: Report): SectionPolicy | undefined {
  const parsed = parseSection(section, userKeys, report);
  if (parsed === undefined) return undefined;
  // Every name in it is one of policyKeys: parseSection has seen to that.
  const lines = parsed.lines as KeyLines;
  return { name: section.name, line: section.line, values: parsed.values, lines };
}

/** `file` is only for messages and origins: nothing is read. */
export function parsePolicy(text: string, file: string): ParsedPolicy {
  const problems: Problem[] = [];
  const report: Report = ({ line, column }, message, hint, severity = 'error') => {
    problems.push({ severity, file, line, column, message, ...(hint === undefined ? {} : { hint }) });
  };
  const scanned = scanIni(text);
  for (const problem of scanned.problems) report(problem, problem.message, problem.hint);

  const sections = new Map<string, IniSection>();
  for (const section of scanned.sections.filter(({ name }) => name !== '')) {
    const first = sections.get(section.name);
    if (first === undefined) sections.set(section.name, section);
    else report(section, `[${section.name}] is there twice`, `first in line ${first.line}`);
  }
  const policy = policyOf([...sections.values()], file, report);
  problems.sort((a, b) => a.line - b.line);
  if (problems.some((problem) => problem.severity === 'error')) return { problems };
  const all = [policy.defaults, ...policy.users.values()];
  if (all.every((section) => section?.values.image === undefined)) {
    const message = 'no section sets an image: nobody can log in';
    problems.push({ severity: 'warning', file, line: 0, message, hint: 'set image in [defaults]' });
  }
  return { policy, problems };
}

/** What can be read of the sections; of use only where nothing was reported. */
function policyOf(sections: readonly IniSection[], file: string, report: Report): Policy {
  const users = new Map<string, SectionPolicy>();
  let defaults: SectionPolicy | undefined;
  let images: ImagesSection = {};
  for (const section of sections) {
    const kind = kindOf(section, report);
    if (kind?.kind === 'images') {
      images = parseSection(section, imageKeys, report)?.values ?? {};
      continue;
    }
    const parsed = parseUserSection(section, report);
    if (parsed === undefined) continue;
    if (kind?.kind === 'defaults') defaults = parsed;
    else if (kind?.kind === 'user') users.set(kind.user, parsed);
  }
  return { file, builtin: builtinDefaults(), defaults, users, images: imagesPolicy(images) };
}

function imagesPolicy(written: ImagesSection): ImagesPolicy {
  const builtin = imagesDefaults();
  return {
    registry: written.registry ?? required(builtin.registry, 'registry'),
    plainHttp: written.plain_http ?? required(builtin.plain_http, 'plain_http'),
    maxEntries: written.max_entries ?? required(builtin.max_entries, 'max_entries'),
    maxBytes: written.max_bytes ?? required(builtin.max_bytes, 'max_bytes'),
  };
}

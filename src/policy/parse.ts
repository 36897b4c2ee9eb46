// INI text in, a policy or a list of problems with their places out. Pure.

import { nearest } from '../lib/nearest.ts';
import { type IniEntry, type IniSection, scanIni } from './ini-text.ts';
import type { Policy, SectionPolicy } from './policy.ts';
import type { Problem } from './problem.ts';
import { builtinDefaults, isPolicyKey, type PolicyKey, PolicySection, policyKeys } from './schema.ts';

export interface ParsedPolicy {
  /** Absent when there is any error. */
  readonly policy?: Policy;
  readonly problems: readonly Problem[];
}

type Place = { readonly line: number; readonly column: number };
type Report = (place: Place, message: string, hint?: string, severity?: Problem['severity']) => void;
type SectionKind = { readonly kind: 'defaults' } | { readonly kind: 'user'; readonly user: string };

/** Longest user name that any user database of Linux hands out, with room to spare. */
const longestUserName = 256;

/** What a section is about; anything that is no section is reported. */
function kindOf(section: IniSection, report: Report): SectionKind | undefined {
  const { name } = section;
  if (name === 'defaults') return { kind: 'defaults' };
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
  const guess = nearest(name, ['defaults']);
  return guess === undefined ? 'sections are [defaults] and [user:NAME]' : `did you mean [${guess}]?`;
}

/** The known keys of a section, each once. */
function knownEntries(section: IniSection, report: Report): Map<PolicyKey, IniEntry> {
  const known = new Map<PolicyKey, IniEntry>();
  for (const entry of section.entries) {
    const place = { line: entry.line, column: entry.keyColumn };
    if (!isPolicyKey(entry.key)) {
      const guess = nearest(entry.key, policyKeys);
      report(place, `no such key: ${entry.key}`, guess === undefined ? undefined : `did you mean ${guess}?`);
      continue;
    }
    const first = known.get(entry.key);
    if (first === undefined) known.set(entry.key, entry);
    else report(place, `${entry.key} is set twice in [${section.name}]`, `first in line ${first.line}`);
  }
  return known;
}

function parseSection(section: IniSection, report: Report): SectionPolicy | undefined {
  const entries = knownEntries(section, report);
  const texts = Object.fromEntries([...entries].map(([key, entry]) => [key, entry.value]));
  const result = PolicySection.safeParse(texts);
  for (const issue of result.error?.issues ?? []) {
    const [key] = issue.path;
    const entry = typeof key === 'string' && isPolicyKey(key) ? entries.get(key) : undefined;
    const place = entry === undefined ? section : { line: entry.line, column: entry.valueColumn };
    const value = entry === undefined || entry.value === '' ? 'nothing' : `"${entry.value}"`;
    report(place, `${String(key)}: ${value} ${issue.message}`);
  }
  if (!result.success) return undefined;
  const lines = new Map([...entries].map(([key, entry]) => [key, entry.line]));
  return { name: section.name, line: section.line, values: result.data, lines };
}

/** `file` is only for messages and origins: nothing is read. */
export function parsePolicy(text: string, file: string): ParsedPolicy {
  const problems: Problem[] = [];
  const report: Report = ({ line, column }, message, hint, severity = 'error') => {
    problems.push({ severity, file, line, column, message, ...(hint === undefined ? {} : { hint }) });
  };
  const scanned = scanIni(text);
  for (const problem of scanned.problems) report(problem, problem.message, problem.hint);

  const users = new Map<string, SectionPolicy>();
  const firstLines = new Map<string, number>();
  let defaults: SectionPolicy | undefined;
  for (const section of scanned.sections.filter(({ name }) => name !== '')) {
    const kind = kindOf(section, report);
    const parsed = parseSection(section, report);
    const firstLine = firstLines.get(section.name);
    if (firstLine !== undefined) {
      report(section, `[${section.name}] is there twice`, `first in line ${firstLine}`);
      continue;
    }
    firstLines.set(section.name, section.line);
    if (parsed === undefined) continue;
    if (kind?.kind === 'defaults') defaults = parsed;
    else if (kind?.kind === 'user') users.set(kind.user, parsed);
  }
  problems.sort((a, b) => a.line - b.line);
  if (problems.some((problem) => problem.severity === 'error')) return { problems };

  const policy: Policy = { file, builtin: builtinDefaults(), defaults, users };
  const all = [defaults, ...users.values()];
  if (all.every((section) => section?.values.image === undefined)) {
    const message = 'no section sets an image: nobody can log in';
    problems.push({ severity: 'warning', file, line: 0, message, hint: 'set image in [defaults]' });
  }
  return { policy, problems };
}
